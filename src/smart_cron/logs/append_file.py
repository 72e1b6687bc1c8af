"""Appending to a file that other processes append to, rotate, delete or plant traps at, without ever raising.

One batch is one `write` on an O_APPEND descriptor, so lines of several processes never interleave. What stands at
the path must be a regular file with one name: no symbolic link, no hard link, no fifo is written to.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import Final

# O_NONBLOCK: a planted fifo answers with an error instead of holding the caller; files ignore it.
_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_MODE: Final = 0o640


class AppendFile:
    """One open log file at a time; `append` raises OSError, and the caller decides what that means."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._path: Path | None = None
        self._identity: tuple[int, int] = (0, 0)
        # The file ends within a line: of ours after a short write (the caller closes, and this is seen when the file
        # is opened again), or of a process that was killed.
        self._torn = False

    def append(self, path: Path, lines: bytes) -> None:
        """Write whole lines to the file at *path*, opening it anew where another one stands there now.

        Raises OSError; as an AppendError it says how many of the lines are on disk all the same.
        """
        descriptor = self._open(path)
        mend = b"\n" if self._torn else b""
        data, done = mend + lines, 0
        try:
            while done < len(data):
                done += os.write(descriptor, data[done:])
        except OSError as error:
            raise AppendError(error, written_lines=data[len(mend) : done].count(b"\n")) from error
        self._torn = False

    def close(self) -> None:
        """Let go of the file; the next append opens it again."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
        self._descriptor = self._path = None

    def _open(self, path: Path) -> int:
        if self._descriptor is not None and path == self._path and self._is_still_there(path):
            return self._descriptor
        self.close()
        descriptor = _open_or_create(path)
        try:
            self._accept(descriptor, path)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor, self._path = descriptor, path
        return descriptor

    def _is_still_there(self, path: Path) -> bool:
        try:
            found = os.lstat(path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def _accept(self, descriptor: int, path: Path) -> None:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise OSError(errno.EPERM, "not a regular file with one name", str(path))
        self._identity = (found.st_dev, found.st_ino)
        self._torn = found.st_size > 0 and os.pread(descriptor, 1, found.st_size - 1) != b"\n"


class AppendError(OSError):
    """A write that failed half-way; `written_lines` are on disk."""

    def __init__(self, cause: OSError, *, written_lines: int) -> None:
        super().__init__(cause.errno, cause.strerror)
        self.written_lines = written_lines


def _open_or_create(path: Path) -> int:
    try:
        return os.open(path, _FLAGS)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            path.parent.mkdir(mode=0o750)
    try:
        descriptor = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, _MODE)
    except FileExistsError:  # another process was faster
        return os.open(path, _FLAGS)
    _give_to_owner_of_folder(descriptor, path)
    return descriptor


def _give_to_owner_of_folder(descriptor: int, path: Path) -> None:
    """Let the service user go on in a file that root was the first to write: a command by root makes no dead end."""
    if os.geteuid() == 0:
        folder = os.stat(path.parent)
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
