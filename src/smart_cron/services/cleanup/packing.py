"""Compressing one log so that at no instant a line of it is missing: written beside it, synced, renamed, then deleted.

Where a compressed file of that name is there already, it is what an interrupted clean-up left between the last two
steps, and then the plain file begins with all that it holds; or it is another's, and then both are kept in one.
"""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from contextlib import suppress
from typing import IO

from smart_cron.services.cleanup.folder import Folder

_BLOCK = 1_048_576
# A file that unpacks to more is none of ours, and not worth a whole disk.
_MOST_UNPACKED = 16 * 1024**3


def part_of(name: str) -> str:
    """Return the name under which *name* is compressed until that is done."""
    return f".{name}.gz.part"


def pack(folder: Folder, name: str) -> int:
    """Compress a file in place; return its size then. Raise OSError, and leave it as it was, where that fails."""
    part, packed = part_of(name), f"{name}.gz"
    folder.remove(part)
    try:
        with os.fdopen(folder.open(name), "rb") as source, os.fdopen(folder.create(part), "w+b") as target:
            before = os.fstat(source.fileno())
            if folder.has(packed):
                _copy_other(folder, packed, source, target)
            _compress(source, target, name, modified=int(before.st_mtime))
            if not _is_unchanged(before, os.fstat(source.fileno())):
                raise OSError(f"{name} is still written to")
            _finish(target, before)
            size = os.fstat(target.fileno()).st_size
        folder.rename(part, packed)
    except BaseException:
        with suppress(OSError):
            folder.remove(part)
        raise
    folder.remove(name)
    os.fsync(folder.descriptor)
    return size


def _copy_other(folder: Folder, packed: str, source: IO[bytes], target: IO[bytes]) -> None:
    """Put what is compressed already in front, unless the plain file begins with it."""
    with os.fdopen(folder.open(packed), "rb") as other:
        begins = _begins_with(source, other)
        source.seek(0)
        if begins:
            return
        other.seek(0)
        while block := other.read(_BLOCK):
            target.write(block)


def _begins_with(source: IO[bytes], packed: IO[bytes]) -> bool:
    """Whether the plain file begins with all that can be read of the compressed one."""
    total = 0
    try:
        with gzip.GzipFile(fileobj=packed, mode="rb") as unpacked:
            while block := unpacked.read(_BLOCK):
                total += len(block)
                if total > _MOST_UNPACKED or source.read(len(block)) != block:
                    return False
    except (EOFError, gzip.BadGzipFile, zlib.error):
        # Cut short, and up to there the same: nothing of it is missing in the plain file.
        return True
    return True


def _compress(source: IO[bytes], target: IO[bytes], name: str, *, modified: int) -> None:
    with gzip.GzipFile(filename=name, fileobj=target, mode="wb", compresslevel=6, mtime=modified) as packed:
        while block := source.read(_BLOCK):
            packed.write(block)


def _is_unchanged(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)


def _finish(target: IO[bytes], like: os.stat_result) -> None:
    """Give the file the owner, mode and time of the one that it stands for, and see it onto the disk."""
    target.flush()
    descriptor = target.fileno()
    if os.geteuid() == 0:
        os.fchown(descriptor, like.st_uid, like.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(like.st_mode) & 0o777)
    os.utime(descriptor, ns=(like.st_atime_ns, like.st_mtime_ns))
    os.fsync(descriptor)
