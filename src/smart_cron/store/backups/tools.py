"""The dump tools of the servers, run so that no secret stands on a command line, and none of them can hang for ever."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from smart_cron.core.backup import RefusedBackupError

_CHUNK_BYTES = 1 << 18
_END_SECONDS = 10.0


def program(names: Sequence[str], *, package: str) -> str:
    """Return the first of these programs that is installed. Raise RefusedBackupError, naming the package, for none."""
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise RefusedBackupError(
        f"'{names[0]}' is not installed here, and without it no backup can be taken.",
        remedy=f"Install it (Debian: apt install {package}); or dump the database elsewhere into the backup folder.",
    )


@contextmanager
def secret_file(text: str) -> Iterator[int]:
    """Have a file that is nowhere on disk and that nobody else can open; yield its descriptor, for a child."""
    descriptor = os.memfd_create("smart-cron", os.MFD_CLOEXEC)
    try:
        # Clients pass over a file of passwords that others could read.
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, text.encode())
        yield descriptor
    finally:
        os.close(descriptor)


def run(
    command: Sequence[str],
    write: Callable[[bytes], object],
    *,
    environment: Mapping[str, str],
    inherited: int,
    stall_seconds: float,
    secret: str,
) -> None:
    """Run a tool and hand over what it prints, as it prints it.

    Raise RefusedBackupError with its own words where it fails, or prints nothing for *stall_seconds*.
    """
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", **environment},
            pass_fds=[inherited],
            cwd="/",
        )
        try:
            _hand_over(process, write, stall_seconds)
        except BaseException:
            process.kill()
            raise
        finally:
            assert process.stdout is not None
            process.stdout.close()
            _end(process)
        if process.returncode:
            complaints.seek(0)
            raise _failure(command[0], process.returncode, complaints.read(10_000), secret)


def _hand_over(process: subprocess.Popen[bytes], write: Callable[[bytes], object], stall_seconds: float) -> None:
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    while True:
        if not poll.poll(stall_seconds * 1000):
            raise RefusedBackupError(
                f"the dump stood still for {stall_seconds:g} s: the server does not answer.",
                remedy="See that it runs; nothing was changed there.",
            )
        chunk = os.read(descriptor, _CHUNK_BYTES)
        if not chunk:
            return
        write(chunk)


def _end(process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _END_SECONDS
    try:
        process.wait(max(0.1, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _failure(program_path: str, code: int, words: bytes, secret: str) -> RefusedBackupError:
    text = " ".join(words.decode("utf-8", "replace").split())[-600:] or f"exit code {code}"
    if secret:
        text = text.replace(secret, "***")
    name = os.path.basename(program_path)
    return RefusedBackupError(
        f"{name} failed: {text.rstrip('.')}.", remedy="docs/backups.md lists the rights it needs."
    )
