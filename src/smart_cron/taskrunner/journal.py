"""Results on the disk before they are told, many of them by one sync.

A result stands in its run file as soon as its supervisor has written it, which outlives every process but not a power
cut. Syncing each run file costs more than all else that a supervisor does, and on a busy disk they wait for each other.
So the runner writes the results of one turn of its loop behind each other into one file, syncs that, and then tells
them. Nobody reads it as long as the machine stays up. After a reboot, what it holds and a run file lacks is written
there.

The file is two halves of fixed size that are overwritten in turns. Before a half is used again, the run files of its
results are synced, unless the engine has let go of them: their rows are final then, and the database has them.
"""

from __future__ import annotations

import fcntl
import os

from smart_cron.taskrunner.kernel import boot_id
from smart_cron.taskrunner.protocol import is_run_id
from smart_cron.taskrunner.records import record_in, sealed, take_over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from smart_cron.taskrunner.protocol import Message

HEAD_BYTES = 4096
HALF_BYTES = 128 << 10
FILE_BYTES = HEAD_BYTES + 2 * HALF_BYTES
FILE_MODE = 0o600
PREFIX = "results-"


class Journal:
    """Results that are about to be told. `note` each, `commit` before any of them leaves the house."""

    def __init__(self, runs_dir: str, fd: int | None) -> None:
        """*fd* is None where no room was to be had for a file: then each run file is synced."""
        self._runs_dir, self._fd = runs_dir, fd
        self._waiting: list[tuple[str, bytes]] = []
        self._half = self._used = 0
        # By half: the runs that have nothing but it to survive a power cut.
        self._owed: tuple[set[str], set[str]] = (set(), set())

    def note(self, run_id: str, body: bytes) -> None:
        """Take in a result that its run file has already."""
        self._waiting.append((run_id, body))

    def forget(self, run_id: str) -> None:
        """Note that the database has the result of that run."""
        for owed in self._owed:
            owed.discard(run_id)

    def commit(self) -> None:
        """Have all results that were noted on the disk when this returns."""
        if not self._waiting:
            return
        run_ids = [run_id for run_id, _ in self._waiting]
        data = b"".join([sealed(body, run_id) for run_id, body in self._waiting])
        self._waiting.clear()
        try:
            self._write(data)
        except OSError:
            self._sync_files(run_ids)
        else:
            self._owed[self._half].update(run_ids)

    def _write(self, data: bytes) -> None:
        if self._fd is None or len(data) > HALF_BYTES:
            raise OSError("there is no room for them here")
        if self._used + len(data) > HALF_BYTES:
            self._turn_over()
        place = HEAD_BYTES + self._half * HALF_BYTES + self._used
        if os.pwrite(self._fd, data, place) != len(data):
            raise OSError("they were not written whole")
        os.fdatasync(self._fd)
        self._used += len(data)

    def _turn_over(self) -> None:
        self._half, self._used = 1 - self._half, 0
        owed = self._owed[self._half]
        self._sync_files(owed)
        owed.clear()

    def _sync_files(self, run_ids: list[str] | set[str]) -> None:
        for run_id in run_ids:
            try:
                fd = os.open(f"{self._runs_dir}/{run_id}", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError:
                continue  # It is another run's file by now, since the database has the result of this one.
            try:
                os.fdatasync(fd)
            except OSError:
                pass  # The disk refuses; what is left is that the database commits before it tells.
            finally:
                os.close(fd)


def open_journal(state_dir: str, runs_dir: str) -> Journal:
    """Settle what earlier runners left in theirs, and return a new one. A disk without room leaves it without a file.

    Call it before any run is started: it may give a run file to a run that has none.
    """
    for name in os.listdir(state_dir):
        if name.startswith(PREFIX):
            _settle_left(f"{state_dir}/{name}", runs_dir)
    return Journal(runs_dir, _new_file(state_dir))


def _new_file(state_dir: str) -> int | None:
    path = f"{state_dir}/{PREFIX}{os.urandom(8).hex()}"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    except OSError:
        return None
    try:
        # Held for life: it tells the journals in use from those that were left. Forks of a runner let go of it.
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.posix_fallocate(fd, 0, FILE_BYTES)
        # Written and not only reserved: to sync what overwrites it, only data goes to the disk.
        os.pwrite(fd, (boot_id().encode() + b"\n").ljust(FILE_BYTES, b"\0"), 0)
        os.fsync(fd)
        _sync_directory(state_dir)
    except OSError:
        os.close(fd)
        os.unlink(path)
        return None
    return fd


def _sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _settle_left(path: str, runs_dir: str) -> None:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        data = os.pread(fd, FILE_BYTES, 0)
        same_boot = data[: data.find(b"\n")] == boot_id().encode()
        for finish in _results_in(data):
            _settle(finish, runs_dir, same_boot=same_boot)
        os.unlink(path)
    except OSError:
        return  # Another runner's, or the disk refuses now: the next start finds it again.
    finally:
        os.close(fd)


def _results_in(data: bytes) -> Iterator[Message]:
    # Whatever was overwritten halfway has a sum that does not fit.
    for line in data[HEAD_BYTES:].split(b"\n"):
        if (finish := record_in(line)) is not None and is_run_id(finish["run_id"]):
            yield finish


def _settle(finish: Message, runs_dir: str, *, same_boot: bool) -> None:
    run_id = finish["run_id"]
    # In this boot every run file has all that was ever written, and one that is gone is not needed.
    if same_boot and not os.path.exists(f"{runs_dir}/{run_id}"):
        return
    held = take_over(runs_dir, run_id)
    if held is None:
        return
    try:
        if any(record["event"] == "finished" for record in held.records):
            os.fdatasync(held.fd)
        else:
            held.append_finish(finish)
    finally:
        held.close()
