"""Stop everything now: the specification's emergency stop, without its `crontab -r`, its `pkill` and its UPDATE.

Starts are held back on every node, running trees are ended by their recorded identity, and nothing that was configured
is lost. It works with the database down as far as that goes: what runs on this node is known from its run files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smart_cron.core.errors import DatabaseError
from smart_cron.core.node import HoldKind
from smart_cron.core.run import HELD_STATUSES, ErrorType
from smart_cron.taskrunner import stopping
from smart_cron.taskrunner.records import RunFile

if TYPE_CHECKING:
    from smart_cron.wiring import House

PAGE = 500
LOOK_AGAIN_SECONDS = 0.1
# A supervisor that was asked ends its tree within the task's grace, and needs moments for that. One that is silent for
# so much longer is frozen, or its task cannot be killed.
BEYOND_GRACE_SECONDS = 10.0
# So long a supervisor may take to write down how a run ended of which nothing is left.
LAST_WORD_SECONDS = 5.0


@dataclass(slots=True)
class StopReport:
    """What an emergency stop did: runs asked to end here and elsewhere, and what would not go."""

    held: bool = False
    database_problem: str | None = None
    asked_here: int = 0
    asked_elsewhere: int = 0
    ended_by_force: list[str] = field(default_factory=list)
    unkillable: list[str] = field(default_factory=list)


def stop_all(
    house: House, *, reason: str, actor: str, patience_seconds: float, on_progress: Callable[[int], None]
) -> StopReport:
    """Hold new starts everywhere and end what runs; *on_progress* hears how many runs still live here."""
    report = StopReport()
    runs_dir = house.config.state_dir / "runs"
    try:
        house.store.holds.hold(HoldKind.STOPPED, reason=reason, actor=actor)
        report.held = True
        report.asked_elsewhere = _ask_by_database(house, reason, actor)
    except DatabaseError as error:
        report.database_problem = str(error)
    _end_here(runs_dir, report, patience_seconds, on_progress)
    return report


def _ask_by_database(house: House, note: str, actor: str) -> int:
    """Ask for the end of every run that a node holds; return how many are on other nodes."""
    elsewhere = 0
    for row in _held_rows(house):
        house.store.history.request_cancel(
            row["id"], reason=ErrorType.STOPPED, actor=actor, now=house.clock.now(), note=note
        )
        elsewhere += row["node"] != house.config.node_name
    return elsewhere


def _held_rows(house: House) -> Iterator[dict[str, Any]]:
    before: int | None = None
    while page := house.store.history.runs(statuses=HELD_STATUSES, before_id=before, limit=PAGE):
        yield from page
        before = page[-1]["id"]


def _end_here(runs_dir: Path, report: StopReport, patience: float, on_progress: Callable[[int], None]) -> None:
    force_at: dict[str, float] = {}
    given_up: set[str] = set()
    # Claims that were under way when starts were held back may still become runs: look until none is left.
    while running := [file for file in stopping.running_here(runs_dir) if file.run_id not in given_up]:
        on_progress(len(running))
        for file in running:
            if file.run_id not in force_at:
                force_at[file.run_id] = _ask(file, report, patience)
        overdue = [file for file in running if time.monotonic() > force_at[file.run_id]]
        if overdue:
            _force(runs_dir, overdue, report)
            given_up |= {file.run_id for file in overdue}
        time.sleep(LOOK_AGAIN_SECONDS)


def _ask(file: RunFile, report: StopReport, patience: float) -> float:
    """Ask a run to end; return when it has had its grace and our patience, on the monotonic clock."""
    report.asked_here += stopping.ask_to_end(file)
    return time.monotonic() + max(patience, stopping.grace_seconds(file) + BEYOND_GRACE_SECONDS)


def _force(runs_dir: Path, overdue: Sequence[RunFile], report: StopReport) -> None:
    """Kill what they consist of, and then the supervisors that have still nothing to say."""
    for file in overdue:
        stopping.cut_short(file)
        report.ended_by_force.append(file.run_id)
    forced = {file.run_id for file in overdue}
    give_up_at = time.monotonic() + LAST_WORD_SECONDS
    while left := [file for file in stopping.running_here(runs_dir) if file.run_id in forced]:
        if time.monotonic() > give_up_at:
            report.unkillable += [name for file in left for name in stopping.end_by_force(file)[1]]
            return
        time.sleep(LOOK_AGAIN_SECONDS)


def resume(house: House, *, actor: str) -> bool:
    """Undo the hold of an emergency stop; False where none stands."""
    return house.store.holds.release(HoldKind.STOPPED, actor=actor)
