"""Sockets in our folder at which nobody listens any more: leftovers of a task runner that was killed."""

from __future__ import annotations

import errno
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from smart_cron.services.diagnosis.finding import Finding, Fix, FixKind, Surroundings, note
from smart_cron.taskrunner import protocol

# One that is just being made is bound before it listens.
SETTLED_SECONDS = 60.0
PATIENCE_SECONDS = 1.0


def probe_sockets(surroundings: Surroundings) -> list[Finding]:
    """Tell of sockets that nobody listens at."""
    folder = surroundings.folders.get("sockets")
    if folder is None or not folder.is_dir():
        return []
    return [
        note(
            "sockets",
            f"nobody listens at {path} any more; a new task runner makes its own.",
            f"rm {path}",
            fix=Fix(kind=FixKind.REMOVE, target=str(path)),
        )
        for path in stale_sockets(folder)
    ]


def stale_sockets(folder: Path) -> Iterator[Path]:
    """Yield the sockets of a folder at which nobody listens and that were not made just now."""
    for path in sorted(folder.glob("*.sock")):
        if is_stale(path):
            yield path


def is_stale(path: Path) -> bool:
    """Whether this is a socket of some age that refuses connections."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISSOCK(found.st_mode) and time.time() - found.st_ctime > SETTLED_SECONDS and _refuses(path)


def _refuses(path: Path) -> bool:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        line.settimeout(PATIENCE_SECONDS)
        protocol.at_address(os.fspath(path), line.connect)
    except OSError as error:
        return error.errno == errno.ECONNREFUSED
    finally:
        line.close()
    return False
