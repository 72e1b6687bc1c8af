"""Taking lines over: commenting them out in the crontab, so that cron no longer runs what Smart Cron does."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from smart_cron.core.errors import SmartCronError
from smart_cron.services.crontab.lines import CrontabLine

MARK: Final = b"#smart-cron# "
_COPY_SUFFIX: Final = ".before-smart-cron"


def require_can_take_over(path: Path, lines: Sequence[CrontabLine]) -> None:
    """Raise SmartCronError where `take_over` could not do its work; nothing is changed."""
    _commented(_read(path).content, lines, path)
    if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
        raise SmartCronError(
            f"the crontab {path} cannot be taken over: this user cannot write in {path.parent}.",
            remedy="Call it as the owner of that folder, which mostly is root.",
        )


def take_over(path: Path, lines: Sequence[CrontabLine]) -> Path:
    """Comment these lines out in the crontab at *path*, in one atomic step; return the copy of what was there.

    The copy stands beside the file under a name with dots, which cron does not read; it is written once, so that a
    second call keeps the first original. Lines that are comments by now are left as they are; a line that reads
    otherwise than when it was imported raises SmartCronError, as does a disk that does not take it; nothing is changed.
    """
    original = _read(path)
    copy = path.with_name(path.name + _COPY_SUFFIX)
    changed = _commented(original.content, lines, path)
    with _told(path, "taken over"):
        if not copy.exists():
            _write_new(copy, original.content, original.status)
        _replace(path, original, changed)
    return copy


def give_back(path: Path, lines: Sequence[CrontabLine]) -> None:
    """Undo `take_over`: let cron run these lines again, and take the copy away where it says what the crontab says."""
    original = _read(path)
    rows = original.content.split(b"\n")
    for line in lines:
        rows[line.number - 1] = rows[line.number - 1].removeprefix(MARK)
    content = b"\n".join(rows)
    copy = path.with_name(path.name + _COPY_SUFFIX)
    with _told(path, "given back"):
        _replace(path, original, content)
        if copy.is_file() and copy.read_bytes() == content:
            copy.unlink()


@contextlib.contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SmartCronError(
            f"the crontab {path} cannot be {what}: {error.strerror or error}.",
            remedy="Call it as the owner of the file and its folder, which mostly is root.",
        ) from None


def _replace(path: Path, original: _Original, content: bytes) -> None:
    if content == original.content:
        return
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        _write_new(part, content, original.status)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(path.parent)


class _Original:
    def __init__(self, content: bytes, status: os.stat_result) -> None:
        self.content, self.status = content, status


def _read(path: Path) -> _Original:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SmartCronError(
            f"the crontab {path} cannot be taken over: {error.strerror}.", remedy="Name the file itself, not a link."
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SmartCronError(f"the crontab {path} is no regular file.")
        return _Original(file.read(), status)


def _commented(content: bytes, lines: Sequence[CrontabLine], path: Path) -> bytes:
    rows = content.split(b"\n")
    for line in lines:
        row = rows[line.number - 1] if line.number <= len(rows) else b""
        if row.lstrip(b" \t").startswith(b"#"):
            continue
        if _text(row, first=line.number == 1) != line.text:
            raise SmartCronError(
                f"line {line.number} of {path} has changed since it was read.", remedy="Import the crontab again."
            )
        rows[line.number - 1] = MARK + row
    return b"\n".join(rows)


def _text(row: bytes, *, first: bool) -> str:
    bare = row.removeprefix(b"\xef\xbb\xbf") if first else row
    return bare.removesuffix(b"\r").decode("utf-8", "replace")


def _write_new(path: Path, content: bytes, like: os.stat_result) -> None:
    """Write a file that is not there yet, with the owner and the mode of another, down to the disk."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, like.st_uid, like.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
