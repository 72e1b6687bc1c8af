"""Following a log as it grows, across midnight, rotation and truncation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from smart_cron.logs.reading import parse

_MAX_READ_BYTES: Final = 1_048_576


class _Follower:
    """One open file, the place in it, and the line whose end has not come yet."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._file: IO[bytes] | None = None
        self._partial = b""

    def open(self, path: Path, *, at_end: bool) -> None:
        self.close()
        self._path = path
        try:
            self._file = open(path, "rb")  # noqa: SIM115  it stays open between reads
        except FileNotFoundError:
            return
        if at_end:
            self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._partial = None, b""

    def is_stale(self, path: Path) -> bool:
        """Say whether another file is the one to read: a new day's, a new one of the same name, or a cut one."""
        if self._file is None or path != self._path:
            return path != self._path or path.exists()
        ours = os.fstat(self._file.fileno())
        try:
            theirs = os.stat(path)
        except FileNotFoundError:
            return False
        return (ours.st_dev, ours.st_ino) != (theirs.st_dev, theirs.st_ino) or theirs.st_size < self._file.tell()

    def new_lines(self) -> Iterator[bytes]:
        while self._file is not None and (data := self._file.read(_MAX_READ_BYTES)):
            *lines, self._partial = (self._partial + data).split(b"\n")
            yield from lines


def follow(
    path_now: Callable[[], Path], *, wait: Callable[[], bool], from_start: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield entries as they are written, beginning at the end of the present file, or at its start.

    *path_now* names the file of the moment (`lambda: day_log.path_at(clock.now())`); *wait* is called whenever all
    there is has been read, and ends the iteration by returning False. A file that is not there yet is waited for.
    """
    follower = _Follower()
    try:
        follower.open(path_now(), at_end=not from_start)
        while True:
            path = path_now()
            # Asked before reading: what the old file got until now is read before the new one is opened.
            stale = follower.is_stale(path)
            yield from (parse(line) for line in follower.new_lines() if line.strip())
            if stale:
                follower.open(path, at_end=False)
            elif not wait():
                return
    finally:
        follower.close()
