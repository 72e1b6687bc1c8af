"""A folder by its descriptor: whatever stands at a name in it, no link is followed (SECURITY 36)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: a fifo that somebody planted holds nobody.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A regular file in a folder."""

    name: str
    size: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Folder:
    """An open folder."""

    descriptor: int

    def files(self) -> Iterator[Found]:
        """Yield the regular files, in no order. What goes meanwhile is left out."""
        with os.scandir(self.descriptor) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(found.st_mode):
                    at = datetime.fromtimestamp(found.st_mtime, UTC)
                    yield Found(name=entry.name, size=found.st_size, modified_at=at)

    def folders(self) -> list[str]:
        """Return the names of the folders in it, in order."""
        with os.scandir(self.descriptor) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))

    @contextmanager
    def inside(self, name: str) -> Iterator[Folder]:
        """Open a folder in this one. Raise OSError where it is none, or a link to one."""
        descriptor = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=self.descriptor)
        try:
            yield Folder(descriptor)
        finally:
            os.close(descriptor)

    def open(self, name: str) -> int:
        """Open a regular file with one name for reading. Raise OSError where it is something else."""
        descriptor = os.open(name, _FILE, dir_fd=self.descriptor)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            os.close(descriptor)
            raise OSError(f"{name} is not a regular file with one name")
        return descriptor

    def create(self, name: str) -> int:
        """Create a file, for us alone. Raise OSError where something has its name."""
        return os.open(name, _NEW, 0o600, dir_fd=self.descriptor)

    def has(self, name: str) -> bool:
        """Whether something stands at this name."""
        try:
            os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, in place of whatever had it, so that a power cut leaves one or the other."""
        os.rename(old, new, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        os.fsync(self.descriptor)

    def remove(self, name: str) -> None:
        """Delete a name; one that is gone is gone."""
        try:
            os.unlink(name, dir_fd=self.descriptor)
        except FileNotFoundError:
            return

    def remove_if_empty(self, name: str) -> None:
        """Delete a folder in which nothing is left."""
        try:
            os.rmdir(name, dir_fd=self.descriptor)
        except OSError:
            return  # It is not empty, or gone: either way it is as it should be.


@contextmanager
def opened(path: Path) -> Iterator[Folder | None]:
    """Open a folder of the settings, which may itself be reached by a link; None where there is none."""
    try:
        descriptor = os.open(path, _FOLDER)
    except FileNotFoundError:
        yield None
        return
    try:
        yield Folder(descriptor)
    finally:
        os.close(descriptor)
