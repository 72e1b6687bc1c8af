"""Run files as the engine uses them: reading, settling runs that no supervisor holds, and who this node is."""

from __future__ import annotations

import os

from smart_cron.taskrunner.kernel import boot_id, epoch_microseconds
from smart_cron.taskrunner.protocol import to_json
from smart_cron.taskrunner.records import HeldFile, RunFile, list_runs, read, take_over
from smart_cron.taskrunner.remains import kill_remains

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from smart_cron.taskrunner.protocol import Message

__all__ = ["UNRELIABLE", "RunFile", "blank_finish", "incarnation", "list_runs", "lost_finish", "read", "settle"]

# The incarnation of a claim whose run file may have been made and not have reached a disk that failed.
UNRELIABLE = "unreliable"
MAX_REASON = 1000
MAX_NAMES = 20


def blank_finish(run_id: str, execution_id: int, cause: str, reason: str = "") -> Message:
    """Return a `finished` record with every key, for a run of which nothing more is known than its cause."""
    return {
        "event": "finished",
        "run_id": run_id,
        "execution_id": execution_id,
        "cause": cause,
        "reason": reason[:MAX_REASON],
        "started_at": None,
        "completed_at": epoch_microseconds(),
        "duration": 0.0,
        "exit_code": None,
        "term_signal": None,
        "memory_peak_bytes": None,
        "cpu_seconds": None,
        "stdout_bytes": 0,
        "stderr_bytes": 0,
        "output_sha256": None,
        "output_truncated": False,
        "output_path": None,
        "leftovers": [],
        "unkillable": [],
    }


def settle(
    runs_dir: str | os.PathLike[str], run_id: str, execution_id: int, *, claimed_in: str | None = None
) -> Message | None:
    """Take the file of a run that nobody holds, so that nobody can start it any more, and say what is true of it.

    The answer has the shape of a `finished` record: the supervisor's own where it was written; cause `lost` where
    the run started and nobody saw its end (what was left of it is killed first); cause `never_started` otherwise.
    None where a supervisor holds the file: the run lives. *claimed_in* is the incarnation that claimed the run: a
    run claimed before a reboot may have started without its file surviving, so it is `lost` and not `never_started`;
    so may one whose claim is marked UNRELIABLE.
    """
    held = take_over(os.fspath(runs_dir), run_id)
    if held is None:
        return None
    try:
        return _settle_held(held, run_id, execution_id, claimed_in)
    finally:
        held.close()


def _settle_held(held: HeldFile, run_id: str, execution_id: int, claimed_in: str | None) -> Message:
    found = RunFile(run_id, held.records, locked=False)
    if found.finished is not None:
        held.sync()  # Whoever wrote it may have been killed before that.
        return found.finished
    if found.started is not None:
        return _settle_lost(held, found)
    if found.void is None:
        held.append(to_json({"event": "void", "run_id": run_id, "at": epoch_microseconds()}).encode(), sync=True)
    if claimed_in == UNRELIABLE:
        return blank_finish(run_id, execution_id, "lost", "the disk of the run files failed as it was about to start")
    if claimed_in is not None and boot_id_of(claimed_in) != boot_id():
        return blank_finish(run_id, execution_id, "lost", "the machine restarted while the run was about to start")
    return blank_finish(run_id, execution_id, "never_started", "no supervisor had started it")


def _settle_lost(held: HeldFile, found: RunFile) -> Message:
    started, spawned = found.started or {}, found.spawned or {}
    leftovers: list[str] = []
    unkillable: list[str] = []
    reason = "its supervisor ended without a result"
    if started["boot_id"] == boot_id():
        leftovers, unkillable = kill_remains(
            found.run_id,
            main_pid=spawned.get("pid"),
            main_ticks=spawned.get("start_ticks"),
            cgroup=started.get("cgroup"),
        )
    else:
        reason = "the machine restarted while it ran"
    finish = lost_finish(started, reason, leftovers=leftovers, unkillable=unkillable)
    held.append_finish(finish)
    return finish


def lost_finish(
    started: Message, reason: str, *, leftovers: Sequence[str] = (), unkillable: Sequence[str] = ()
) -> Message:
    """Return the `finished` record of a started run whose end nobody saw."""
    finish = blank_finish(started["run_id"], started["execution_id"], "lost", reason)
    finish["started_at"] = started["started_at"]
    finish["duration"] = max(0, finish["completed_at"] - started["started_at"]) / 1e6
    finish["output_path"] = started["output_path"] if os.path.exists(started["output_path"]) else None
    finish["leftovers"] = list(leftovers)[:MAX_NAMES]
    finish["unkillable"] = list(unkillable)[:MAX_NAMES]
    return finish


def incarnation(state_dir: str | os.PathLike[str]) -> str:
    """Return `BOOT ID:RANDOM ID` of this state directory, making the random id at the first call.

    A restored or copied state directory on another machine, and the same one after a reboot, have another incarnation:
    what was claimed in one is never launched in another.
    """
    path = f"{os.fspath(state_dir)}/incarnation"
    try:
        return f"{boot_id()}:{_read_identity(path)}"
    except FileNotFoundError:
        _create_identity(path)
        return f"{boot_id()}:{_read_identity(path)}"


def boot_id_of(incarnation: str) -> str:
    """Return the boot id in it."""
    return incarnation.partition(":")[0]


def _read_identity(path: str) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with open(fd, "rb") as file:
        return file.read().decode().strip()


def _create_identity(path: str) -> None:
    # Written whole under another name and then linked, so that nobody reads half of it and the first one wins.
    draft = f"{path}.{os.urandom(8).hex()}"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if os.geteuid() == 0:
            # Root may only look into the home of another user, who has to be able to read this later.
            home = os.stat(os.path.dirname(path))
            os.fchown(fd, home.st_uid, home.st_gid)
        os.write(fd, os.urandom(16).hex().encode() + b"\n")
        os.fsync(fd)
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.close(fd)
        os.unlink(draft)
    _sync_directory(os.path.dirname(path))


def _sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
