"""Small files in the state directory that outlive their writer: written whole, durably, and closed to others."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MODE, FOLDER_MODE = 0o640, 0o750
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def own_folder(path: Path) -> Iterator[int]:
    """Open a folder of ours in the state directory, made where it is missing; yield its descriptor.

    Raise OSError where that cannot be, and where it or the one above it is not our own: root, who would follow the
    links of another user, has no business there (SECURITY 36).
    """
    _require_own(os.stat(path.parent), path)
    path.mkdir(mode=FOLDER_MODE, exist_ok=True)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _require_own(os.fstat(folder), path)
        yield folder
    finally:
        os.close(folder)


def _require_own(found: os.stat_result, folder: Path) -> None:
    if found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it belongs to another user", str(folder))


def write_state_file(path: Path, text: str) -> None:
    """Put *text* where *path* stands, in one step, in a folder as `own_folder` opens it. Raise OSError."""
    with own_folder(path.parent) as folder:
        write_in(folder, path.name, text)


def write_in(folder: int, name: str, text: str) -> None:
    """Put *text* under this name in an open folder, in one step. Raise OSError where that cannot be."""
    part = f".{name}.{os.getpid()}.{threading.get_native_id()}"
    with suppress(FileNotFoundError):
        os.unlink(part, dir_fd=folder)  # Of a process of the same number that was killed amid.
    descriptor = os.open(part, _NEW, MODE, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(part, dir_fd=folder)
        raise
