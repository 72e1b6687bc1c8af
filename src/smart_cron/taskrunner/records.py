"""Run files: the at-most-once, the liveness and the result of a run, in one small file named after it.

A file is a handful of lines `CRC32 JSON`, the sum salted with the run id. It is locked by the supervisor while the
run lives. Spent files are renamed to the next run and overwritten from the start, because on ext4 creating files
after many unlinks gets slow, and syncing an overwrite costs a third of syncing a new file. So the name alone proves
nothing: records are read from the start up to the first whose sum does not fit the run. The blocks are reserved
before the start, so that a full disk stops starts and never results.

Locks are those of the open file description (F_OFD_SETLK): others can ask whether one is held without disturbing
it, and no `close` of another descriptor drops it, as classic POSIX locks do.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from zlib import crc32

from smart_cron.taskrunner.kernel import rename_exclusively
from smart_cron.taskrunner.protocol import from_json, is_run_id, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from smart_cron.taskrunner.protocol import Message

FILE_BYTES = 4096
FILE_MODE = 0o600
# What `started` and `spawned` may take, so that `finished` has room for its reasons and names.
START_BYTES = 2048

# struct flock: type, whence, start, length, pid.
_FLOCK = "hhqqi4x"
_WRITE_LOCK = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


class RunTakenError(Exception):
    """The run id has been used, voided, or is held by another process."""


class RunFile:
    """What a run's file says. Each record is a dictionary, or None where it was not written."""

    __slots__ = ("finished", "locked", "run_id", "spawned", "started", "void")

    def __init__(self, run_id: str, records: list[Message], *, locked: bool) -> None:
        by_event = {record["event"]: record for record in records}
        self.run_id = run_id
        self.locked = locked
        self.started: Message | None = by_event.get("started")
        self.spawned: Message | None = by_event.get("spawned")
        self.finished: Message | None = by_event.get("finished")
        self.void: Message | None = by_event.get("void")


class HeldFile:
    """A run file that this process has locked. Closing it, or dying, gives the lock back."""

    __slots__ = ("_end", "_salt", "fd", "has_room", "records")

    def __init__(self, fd: int, run_id: str) -> None:
        data = os.pread(fd, FILE_BYTES, 0)
        self.fd = fd
        self.has_room = len(data) == FILE_BYTES
        self._salt = crc32(run_id.encode())
        self.records, self._end = parse(data, run_id)

    def append(self, body: bytes, *, sync: bool = False) -> None:
        """Write one record behind the others; with *sync* it is on the disk when this returns."""
        data = _line(body, self._salt)
        written = os.pwrite(self.fd, data, self._end)
        while written < len(data):
            written += os.pwrite(self.fd, data[written:], self._end + written)
        self._end += len(data)
        if sync:
            os.fdatasync(self.fd)

    def try_append(self, body: bytes) -> bool:
        """Write a record of a run that goes on or is over whatever its disk says; say whether it was taken."""
        try:
            self.append(body)
        except OSError:
            return False
        return True

    def append_finish(self, finish: Message, *, sync: bool = True) -> bytes:
        """Write the last record, cut to the room that was reserved, and return its JSON. It is on the disk then.

        Without *sync* that is left to whoever tells of it: see `journal`.
        """
        body = self.fitted(finish)
        self.append(body, sync=sync)
        return body

    def fitted(self, finish: Message) -> bytes:
        """Return the JSON of a last record, cut to the room that was reserved for it."""
        return fit(finish, FILE_BYTES - self._end - len("01234567 \n"))

    def sync(self) -> None:
        """Have on the disk what was written."""
        os.fdatasync(self.fd)

    def close(self) -> None:
        os.close(self.fd)


def _line(body: bytes, salt: int) -> bytes:
    return b"%08x %b\n" % (crc32(body, salt), body)


def sealed(body: bytes, run_id: str) -> bytes:
    """Return a record of *run_id* as the line that stands in its file."""
    return _line(body, crc32(run_id.encode()))


def record_in(line: bytes) -> Message | None:
    """Return the record in a line that tells itself whose it is, or None where its sum does not fit."""
    body = line[9:]
    try:
        record: Message = from_json(body)
        salt = crc32(record["run_id"].encode())
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return record if line[:9] == b"%08x " % crc32(body, salt) else None


def parse(data: bytes, run_id: str) -> tuple[list[Message], int]:
    """Return the records of *run_id* at the start of *data*, and where the next one goes."""
    salt = crc32(run_id.encode())
    records: list[Message] = []
    offset = 0
    while (end := data.find(b"\n", offset)) > 0:
        body = data[offset + 9 : end]
        if data[offset : offset + 9] != b"%08x " % crc32(body, salt):
            break
        records.append(from_json(body))
        offset = end + 1
    return records, offset


def fit(record: Message, room: int) -> bytes:
    """Return *record* as JSON of at most *room* bytes: lists lose their ends first, then the reason."""
    body = to_json(record).encode()
    while len(body) > room:
        longest = max(("leftovers", "unkillable"), key=lambda key: len(record[key]))
        if record[longest]:
            record[longest] = record[longest][: len(record[longest]) // 2]
        elif record["reason"]:
            record["reason"] = record["reason"][: len(record["reason"]) // 2]
        else:
            raise OSError(errno.ENOSPC, "the run file has no room for its result")
        body = to_json(record).encode()
    return body


def take(runs_dir: str, run_id: str, spare: str | None = None) -> HeldFile:
    """Take the file of a run that is about to start, out of the spent file *spare* where that can be.

    Raises RunTakenError where the run was started or voided before, or somebody holds the file; OSError where the
    file cannot be had or its room cannot be reserved.
    """
    fd = _open_for_start(runs_dir, run_id, spare)
    try:
        if not _lock(fd):
            raise RunTakenError("another process holds its run file")
        held = HeldFile(fd, run_id)
        if held.records:
            raise RunTakenError(f"its run file says '{held.records[-1]['event']}' already")
        if not held.has_room:
            _reserve(fd, f"{runs_dir}/{run_id}")
    except BaseException:
        os.close(fd)
        raise
    return held


def _open_for_start(runs_dir: str, run_id: str, spare: str | None) -> int:
    path = f"{runs_dir}/{run_id}"
    if spare is not None:
        try:
            rename_exclusively(f"{runs_dir}/{spare}", path)
        except OSError:
            pass  # The spare is gone, or the name is there already: both are found out below.
        else:
            return _open(path, 0)
    return _open_or_create(path)


def _open_or_create(path: str) -> int:
    # Not exclusive: who comes first is decided by the lock and the first record, and a file without any is nobody's.
    return _open(path, os.O_CREAT)


def _open(path: str, flags: int) -> int:
    # O_NONBLOCK: a fifo planted here must not hold us up; it has no records and cannot be reserved.
    return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | flags, FILE_MODE)


def _lock(fd: int) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _WRITE_LOCK)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_locked(fd: int) -> bool:
    answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _WRITE_LOCK)
    return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)


def _reserve(fd: int, path: str) -> None:
    try:
        os.posix_fallocate(fd, 0, FILE_BYTES)
    except OSError:
        # We hold the lock and wrote nothing: an empty file would only be in the way of a later try.
        os.unlink(path)
        raise


def read(runs_dir: str | os.PathLike[str], run_id: str) -> RunFile | None:
    """Return what the run's file says, without disturbing its holder, or None where there is none."""
    if not is_run_id(run_id):
        return None
    try:
        fd = _open(f"{os.fspath(runs_dir)}/{run_id}", 0)
    except FileNotFoundError:
        return None
    try:
        # The lock first: a supervisor that finishes in between then leaves its result to be read.
        locked = _is_locked(fd)
        return RunFile(run_id, parse(os.pread(fd, FILE_BYTES, 0), run_id)[0], locked=locked)
    finally:
        os.close(fd)


def take_over(runs_dir: str, run_id: str) -> HeldFile | None:
    """Take the file of a run whose supervisor is gone or never came; None where somebody holds it."""
    if not is_run_id(run_id):
        raise ValueError(f"{run_id!r} is not a run id")
    fd = _open_or_create(f"{runs_dir}/{run_id}")
    if not _lock(fd):
        os.close(fd)
        return None
    return HeldFile(fd, run_id)


def list_runs(runs_dir: str) -> Iterator[str]:
    """Yield the run ids that files are named after, in no order."""
    with os.scandir(runs_dir) as entries:
        for entry in entries:
            if is_run_id(entry.name):
                yield entry.name


def content_run_id(path: str) -> str | None:
    """Return the run whose records the file really holds, whatever its name, or None."""
    fd = _open(path, 0)
    try:
        data = os.pread(fd, FILE_BYTES, 0)
    finally:
        os.close(fd)
    try:
        run_id = from_json(data[9 : data.index(b"\n")])["run_id"]
    except (ValueError, KeyError, TypeError):
        return None
    return run_id if is_run_id(run_id) and parse(data, run_id)[0] else None


def straighten_names(runs_dir: str, *, boot_id: str) -> list[str]:
    """After a reboot, give files back the names of the runs whose records they hold; return those runs.

    A synced record survives a power cut, the rename before it may not. Files of this boot are left alone: there the
    kernel's word holds, and a supervisor may be between its rename and its first record.
    """
    mended = []
    for name in list(list_runs(runs_dir)):
        run_id = content_run_id(f"{runs_dir}/{name}")
        if run_id is None or run_id == name:
            continue
        found = _read_as(f"{runs_dir}/{name}", run_id)
        if found.started is None or found.started.get("boot_id") == boot_id or found.locked:
            continue
        try:
            rename_exclusively(f"{runs_dir}/{name}", f"{runs_dir}/{run_id}")
        except FileExistsError:
            continue
        mended.append(run_id)
    return mended


def _read_as(path: str, run_id: str) -> RunFile:
    fd = _open(path, 0)
    try:
        return RunFile(run_id, parse(os.pread(fd, FILE_BYTES, 0), run_id)[0], locked=_is_locked(fd))
    finally:
        os.close(fd)
