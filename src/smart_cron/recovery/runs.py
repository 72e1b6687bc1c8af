"""Runs of the time since a backup: what run files tell is entered, what none tells is lost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from smart_cron.core.alert_rules import read_severities
from smart_cron.core.outcome import COPY_LIMIT_BYTES, copy_text, settle
from smart_cron.core.restored import RESTORED_LOST, FoundRun
from smart_cron.core.run import EndCause, HeldRun, OpenRun, RunEnd, Trigger
from smart_cron.engine.launcher import instant, run_end
from smart_cron.taskrunner import runfile
from smart_cron.taskrunner.reading import OutputReader
from smart_cron.taskrunner.records import RunFile
from smart_cron.wiring import runner_client

if TYPE_CHECKING:
    from smart_cron.wiring import House

T = TypeVar("T")
CHUNK = 200
# How far this machine's clock and the database's may be apart.
CLOCKS_APART = timedelta(hours=1)
NUMBER_TAKEN = "after the restore its number was given to a run that goes on, so its end could not be recorded"


def enter_what_files_tell(house: House, now: datetime, *, heard_at: datetime | None) -> tuple[int, int]:
    """Enter the runs that only run files know: those that are over with their ends, the others as running.

    A file that is no longer needed stays until another run takes it. One of a run that ended well before the database
    heard of this node last (*heard_at*) tells of a row that was deleted, and not of the time since the backup. Return
    how many runs were entered, and how many of them are over.
    """
    entered = ended = 0
    runs_dir = str(house.config.state_dir / "runs")
    for run_ids in _portions(list(runfile.list_runs(runs_dir))):
        told = _told_by(runs_dir, house.store.restored.unknown(run_ids))
        files = [file for file in told if heard_at is None or not _is_over_since(file, heard_at - CLOCKS_APART)]
        over = _entered(house, files, now)
        entered += len(files)
        ended += len(over)
        _let_files_go(house, over)
    return entered, ended


def _portions(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while portion := list(islice(rest, CHUNK)):
        yield portion


def _told_by(runs_dir: str, run_ids: Iterable[str]) -> Iterator[RunFile]:
    for run_id in sorted(run_ids):
        file = runfile.read(runs_dir, run_id)
        if file is not None and file.started is not None:
            yield file


def _is_over_since(file: RunFile, at: datetime) -> bool:
    return file.finished is not None and instant(file.finished["completed_at"]) < at


def _entered(house: House, files: Sequence[RunFile], now: datetime) -> list[str]:
    """Enter these in one transaction; return the run ids of those that are over."""
    return house.store.session.again(lambda: _enter(house, files, now)) if files else []


def _enter(house: House, files: Sequence[RunFile], now: datetime) -> list[str]:
    identity = runfile.incarnation(house.config.state_dir).partition(":")[2]
    found = [_found(file, identity) for file in files]
    numbers = house.store.restored.enter(found, node=house.config.node_name)
    ends = [end for file in files if (end := _end(file, numbers[file.run_id], now)) is not None]
    _settle(house, ends, now)
    return [end.run_id for end in ends]


def _found(file: RunFile, identity: str) -> FoundRun:
    started = file.started
    assert started is not None
    slot = started["scheduled_for"]
    return FoundRun(
        execution_id=started["execution_id"],
        run_id=file.run_id,
        task_id=started["task_id"],
        task_name=started["task"],
        attempt=started["attempt"],
        scheduled_for=None if slot is None else instant(slot),
        triggered_by=Trigger(started["triggered_by"]),
        started_at=instant(started["started_at"]),
        incarnation=f"{started['boot_id']}:{identity}",
        launch_deadline=started["launch_deadline"],
        allowed_seconds=math.ceil(started["timeout_seconds"] + started["kill_grace_seconds"]),
    )


def _end(file: RunFile, number: int, now: datetime) -> RunEnd | None:
    """Return how it ended, under the number that it has now; None where the node's next sweep will tell."""
    if file.finished is not None:
        return replace(run_end(file.finished), execution_id=number)
    assert file.started is not None
    if number == file.started["execution_id"]:
        return None
    return RunEnd(run_id=file.run_id, execution_id=number, cause=EndCause.LOST, reason=NUMBER_TAKEN, completed_at=now)


def _settle(house: House, ends: Sequence[RunEnd], now: datetime) -> None:
    """Record these ends. None is followed by a retry: one may have been made already, and be among them."""
    by_run = {end.run_id: end for end in ends}
    opened = house.store.records.lock_open([(end.execution_id, end.run_id) for end in ends])
    settlements, severities = [], read_severities(house.config.alerts.severities)
    for run in opened:
        end = by_run[run.run_id]
        out, err = _copy(end, "stdout", end.stdout_bytes), _copy(end, "stderr", end.stderr_bytes)
        settled = settle(
            _not_again(run), end, now=now, jitter=0.0, stdout_copy=out, stderr_copy=err, severities=severities
        )
        settlements.append(settled)
    house.store.records.settle(settlements, now=now)


def _not_again(run: OpenRun) -> OpenRun:
    return replace(run, max_retries=0)


def _copy(end: RunEnd, stream: str, printed_bytes: int) -> str | None:
    if end.output_path is None or not printed_bytes:
        return None
    try:
        data, _ = OutputReader(end.output_path).head_tail(stream, COPY_LIMIT_BYTES - 64)
    except OSError as error:
        return f"[the output file cannot be read: {error.strerror}]"
    return copy_text(data)


def lose_what_has_no_file(house: House, now: datetime) -> int:
    """What the backup shows as held here, and no file knows, is over: nobody can say how. Return how many."""
    held = house.store.records.held(node=house.config.node_name)
    lost = [end for run in held if (end := _loss(house, run, now)) is not None]
    for ends in _portions(lost):
        house.store.session.again(partial(_settle, house, ends, now))
        _let_files_go(house, [end.run_id for end in ends])
    return len(lost)


def _loss(house: House, run: HeldRun, now: datetime) -> RunEnd | None:
    """Take the run's file, so that nobody can start it any more; None where it lives, or the file tells its end."""
    runs_dir = house.config.state_dir / "runs"
    record = runfile.settle(runs_dir, run.run_id, run.execution_id, claimed_in=run.incarnation)
    if record is None or record["started_at"] is not None:
        return None
    return replace(run_end(record), cause=EndCause.LOST, reason=RESTORED_LOST, completed_at=now)


def _let_files_go(house: House, run_ids: Sequence[str]) -> None:
    """Their rows are final. Without a task runner they stay, which harms nobody."""
    client = runner_client(house.config)
    try:
        if run_ids and client.connect():
            client.release(run_ids)
    finally:
        client.close()
