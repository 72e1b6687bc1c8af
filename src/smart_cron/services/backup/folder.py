"""The folder of backups: files written whole or not at all, what is known of each beside it, one writer at a time.

Nothing here follows a link that somebody may have planted, and nothing is written over.
"""

from __future__ import annotations

import errno
import fcntl
import gzip
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import BinaryIO

from smart_cron.core.backup import (
    LATEST,
    SUFFIX,
    Backup,
    BackupStatus,
    RefusedBackupError,
    as_document,
    begun_at,
    from_document,
    kind_of,
)
from smart_cron.core.errors import SmartCronError

_LEFT_OVER = (".copy-", ".scratch-")
_PART = ".part"
_BESIDE = ".json"
_LARGEST_DOCUMENT = 1_000_000


class Writing:
    """One packed file on its way: what is written is packed, counted and summed up."""

    def __init__(self, file: BinaryIO, *, level: int) -> None:
        self._file, self._digest = file, hashlib.sha256()
        self.size_bytes = self.text_bytes = 0
        self._packer = gzip.GzipFile(filename="", mode="wb", fileobj=self, compresslevel=level, mtime=0)

    def write_text(self, data: bytes) -> None:
        """Write some of the dump."""
        self._packer.write(data)
        self.text_bytes += len(data)

    def write(self, data: bytes) -> int:
        """Take what has been packed."""
        self._file.write(data)
        self._digest.update(data)
        self.size_bytes += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: what counts is that the whole file is synced at its end."""

    def finish(self) -> str:
        """Write the end, see that all is on disk, and return the sum."""
        self._packer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._digest.hexdigest()


class Folder:
    """See the module. *level* is how hard gzip packs."""

    def __init__(self, path: Path, *, level: int = 4) -> None:
        self.path, self._level = path, level

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only one who writes here; remove what others left behind that died. Raise where somebody works."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _cannot(self.path, error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._sweep()
            yield
        except BlockingIOError:
            raise SmartCronError(
                "another backup, or a restore, is at work here.", remedy="Let it end, then call this again."
            ) from None
        finally:
            os.close(descriptor)

    def _sweep(self) -> None:
        for entry in list(os.scandir(self.path)):
            if entry.name.startswith(_LEFT_OVER) and entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            elif entry.name.startswith(".") and entry.name.endswith(_PART):
                # A folder of such a name is not ours, and must not keep us from our work.
                with suppress(OSError):
                    os.unlink(entry.path)

    @contextmanager
    def writing(self, name: str) -> Iterator[Writing]:
        """Write a file that gets its name when the block has ended well; else nothing of it is left."""
        part = self.path / f".{name}{_PART}"
        try:
            with self._new(part) as file:
                yield Writing(file, level=self._level)
            # Its name was free when we began, and nobody else writes here.
            os.rename(part, self.path / name)
            self._sync()
        except OSError as error:
            raise _cannot(self.path / name, error) from None
        finally:
            with suppress(OSError):
                os.unlink(part)

    def _new(self, path: Path) -> BinaryIO:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o640)
        os.fchmod(descriptor, 0o640)
        if os.geteuid() == 0:
            # The service user must be able to go on with what root wrote.
            folder = self.path.stat()
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
        return os.fdopen(descriptor, "wb", buffering=1 << 20)

    def _sync(self) -> None:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def is_free(self, name: str) -> bool:
        """Whether nothing stands under this name, nor beside it."""
        return not any(os.path.lexists(self.path / each) for each in (name, name + _BESIDE))

    def note(self, backup: Backup) -> None:
        """Write what is known of a backup beside its file, whole or not at all."""
        path = Path(backup.path)
        part = path.with_name(f".{path.name}{_BESIDE}{_PART}")
        try:
            with suppress(FileNotFoundError):
                os.unlink(part)
            with self._new(part) as file:
                file.write(json.dumps(as_document(backup), indent=1).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.rename(part, path.with_name(path.name + _BESIDE))
            self._sync()
        except OSError as error:
            raise _cannot(path.with_name(path.name + _BESIDE), error) from None

    def point_at(self, name: str) -> None:
        """Let `latest.sql.gz` be this file, in one step."""
        link = self.path / f".{LATEST}{_PART}"
        try:
            with suppress(FileNotFoundError):
                os.unlink(link)
            os.symlink(name, link)
            if os.geteuid() == 0:
                folder = self.path.stat()
                os.chown(link, folder.st_uid, folder.st_gid, follow_symlinks=False)
            os.rename(link, self.path / LATEST)
            self._sync()
        except OSError as error:
            raise _cannot(self.path / LATEST, error) from None

    def delete(self, backup: Backup) -> None:
        """Delete a backup and what stands beside it."""
        for path in (backup.path, backup.path + _BESIDE):
            with suppress(FileNotFoundError):
                os.unlink(path)
        self._sync()

    def backups(self, zone: tzinfo) -> list[Backup]:
        """Return every packed dump here, ours or laid here by hand, oldest first."""
        try:
            entries = [entry for entry in os.scandir(self.path) if _is_dump(entry)]
        except OSError as error:
            raise _cannot(self.path, error) from None
        found = [known_of(Path(entry.path), zone) for entry in entries]
        return sorted(found, key=lambda backup: (backup.created_at, backup.name))


def known_of(path: Path, zone: tzinfo) -> Backup:
    """Return what is known of the file at *path*, from what stands beside it or from the file itself."""
    status = path.lstat()
    told = _document(path)
    if told is not None and told.name == path.name:
        return told
    at = begun_at(path.name, zone) or datetime.fromtimestamp(status.st_mtime, UTC)
    return Backup(
        name=path.name,
        path=str(path),
        kind=kind_of(path.name),
        reason=None,
        status=BackupStatus.UNVERIFIED,
        created_at=at.astimezone(UTC),
        size_bytes=status.st_size,
        error="nobody has restored it yet.",
    )


def _document(path: Path) -> Backup | None:
    try:
        with open_plainly(path.with_name(path.name + _BESIDE)) as file:
            return from_document(json.loads(file.read(_LARGEST_DOCUMENT)), path=str(path))
    except (OSError, ValueError, RecursionError, RefusedBackupError):
        # Somebody else's words, or none: then the file speaks for itself.
        return None


def open_plainly(path: Path) -> BinaryIO:
    """Open a file to read, where it is one: no link, pipe or device, and nothing that others can write."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise RefusedBackupError(f"{path} cannot be read: {reason}.") from None
    status = os.fstat(descriptor)
    reason = None
    if not stat.S_ISREG(status.st_mode):
        reason = "is no plain file"
    elif status.st_mode & stat.S_IWOTH:
        reason = "can be written by everybody"
    if reason:
        os.close(descriptor)
        raise RefusedBackupError(f"{path} {reason}.")
    return os.fdopen(descriptor, "rb")


def _is_dump(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(SUFFIX) and not entry.name.startswith(".") and entry.is_file(follow_symlinks=False)


def _cannot(path: Path, error: OSError) -> RefusedBackupError:
    remedy = f"Make room there: df -h {path.parent}" if error.errno == errno.ENOSPC else ""
    return RefusedBackupError(f"{path} cannot be written: {error.strerror}.", remedy=remedy)
