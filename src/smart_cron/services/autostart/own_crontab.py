"""A user's crontab by way of crontab(1), the only one that may read and write it."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from typing import Final

from smart_cron.core.errors import SmartCronError

PATIENCE_SECONDS: Final = 30
# What `read_crontab_of` returns where the machine has no such command at all.
NO_CRONTAB: Final = None
# In the words of cron and cronie, and of busybox, with LC_ALL=C.
_NONE_YET: Final = re.compile(rb"no crontab for|can't open .*: No such file")


def read_crontab_of(user: str) -> bytes | None:
    """Return it, empty where the user has none yet; None without a `crontab` command. Raise SmartCronError."""
    done = _call(user, "-l")
    if done is None:
        return NO_CRONTAB
    if done.returncode and not _NONE_YET.search(done.stderr):
        raise SmartCronError(f"the crontab of '{user}' cannot be read: {_said(done)}.")
    return b"" if done.returncode else done.stdout


def replace_crontab_of(user: str, content: bytes) -> None:
    """Set it, or remove an empty one. crontab(1) replaces it whole or not at all. Raise SmartCronError, saying why."""
    done = _call(user, "-", given=content) if content.strip() else _call(user, "-r")
    if done is None or done.returncode:
        reason = "there is no 'crontab' command" if done is None else _said(done)
        raise SmartCronError(f"the crontab of '{user}' was not changed: {reason}.")


def _call(user: str, word: str, *, given: bytes = b"") -> subprocess.CompletedProcess[bytes] | None:
    # Only root may name a user.
    command = ["crontab", *(("-u", user) if os.geteuid() == 0 or not _is_us(user) else ()), word]
    try:
        return subprocess.run(
            command,
            input=given,
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
    except FileNotFoundError:
        return None


def _is_us(user: str) -> bool:
    try:
        return pwd.getpwnam(user).pw_uid == os.geteuid()
    except KeyError:
        return user == str(os.geteuid())


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    words = done.stderr.decode("utf-8", "replace").split()
    return " ".join(words).rstrip(".") or f"crontab ended with {done.returncode}"
