"""Our lines in a user's crontab, between two marks: made, put in, taken out. Pure; crontabs are bytes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from typing import Final

from smart_cron.core.errors import SmartCronError
from smart_cron.services.autostart.startup import Startup

BEGIN: Final = b"# >>> smart-cron: written by 'smart-cron service install', removed by 'smart-cron service uninstall'"
END: Final = b"# <<< smart-cron"
_BLOCK: Final = re.compile(rb"^" + re.escape(BEGIN) + rb"\n.*?^" + re.escape(END) + rb"\n", re.MULTILINE | re.DOTALL)

# The specification's lines: schedule, command, what its words go to.
LINES: Final = (
    ("* * * * *", ("master", "--once"), "master.log"),
    ("*/5 * * * *", ("health",), "health.log"),
    ("0 2 * * *", ("cleanup",), "cleanup.log"),
)


def crontab_block(startup: Startup, *, commands: Collection[str]) -> bytes:
    """Return our lines with their marks, for those of the specification's commands that there are."""
    lines = [f"{schedule} {_command(startup, words, log)}" for schedule, words, log in LINES if words[0] in commands]
    return b"".join(line + b"\n" for line in (BEGIN, *(line.encode() for line in lines), END))


def _command(startup: Startup, words: tuple[str, ...], log: str) -> str:
    home = () if startup.home is None else (f"SMART_CRON_HOME={shlex.quote(str(startup.home))}",)
    called = [*home, *map(shlex.quote, (*startup.program, *words))]
    target = shlex.quote(str(startup.log_dir / log))
    # A bare % would end the command (crontab(5)); the shell that reads the rest gets it without the backslash.
    return f"umask 027; {' '.join(called)} >> {target} 2>&1".replace("%", "\\%")


def with_block(crontab: bytes, block: bytes) -> bytes:
    """Return the crontab with our lines in it once, where they stood or else at its end; the rest as it was."""
    _require_whole(crontab)
    first = _BLOCK.search(crontab)
    if first is None:
        # A last line without its end would swallow our first.
        return crontab + (b"" if crontab.endswith(b"\n") or not crontab else b"\n") + block
    return crontab[: first.start()] + block + _BLOCK.sub(b"", crontab[first.end() :])


def without_block(crontab: bytes) -> bytes:
    """Return the crontab without our lines; the rest as it was."""
    _require_whole(crontab)
    return _BLOCK.sub(b"", crontab)


def _require_whole(crontab: bytes) -> None:
    rest = _BLOCK.sub(b"", crontab).split(b"\n")
    if BEGIN in rest or END in rest:
        raise SmartCronError(
            "the crontab has only one of the two marks around Smart Cron's lines: nobody can tell which are its own.",
            remedy="Take the mark and those lines out with 'crontab -e', then call this again.",
        )
