"""What `smart-cron doctor` reads from the database, in one go and in this thread alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from smart_cron.core.run import HELD_STATUSES, Status
from smart_cron.services.diagnosis import DatabaseFacts, LastFailure

if TYPE_CHECKING:
    from smart_cron.core.task import Task
    from smart_cron.wiring import House

# What is under way is little; a storm of it is told by its beginning.
MOST_ROWS = 500
MOST_FAILURES = 10
WAITING = (Status.WAITING, Status.BLOCKED)
FAILED = (Status.FAILED, Status.TIMEOUT, Status.OOM, Status.LOST, Status.START_FAILED)
LINE_LENGTH = 200
UNSENT, LOOKED_BACK = timedelta(minutes=10), timedelta(hours=24)


def read_facts(house: House) -> DatabaseFacts:
    """Read what the probes need. Raise SmartCronError where the database does not give it."""
    store = house.store
    now = store.database.now()
    offset = now - house.clock.now()
    tasks = store.tasks.list()
    return DatabaseFacts(
        now=now,
        offset=offset,
        tasks=tasks,
        holds=store.holds.holds(),
        nodes=store.nodes.nodes(),
        held=store.history.runs(statuses=HELD_STATUSES, limit=MOST_ROWS),
        pending=store.history.runs(statuses=WAITING, limit=MOST_ROWS),
        failures=_failures(house, tasks),
        held_slots=sum(each.range.count for each in store.held.held()),
        undelivered=store.health_facts.undelivered(waiting_for=UNSENT, failed_within=LOOKED_BACK),
    )


def _failures(house: House, tasks: Sequence[Task]) -> Mapping[int, LastFailure]:
    failing = sorted((task for task in tasks if task.consecutive_failures), key=lambda task: -task.consecutive_failures)
    found = {task.id: _last(house, task.id) for task in failing[:MOST_FAILURES]}
    return {task_id: failure for task_id, failure in found.items() if failure is not None}


def _last(house: House, task_id: int) -> LastFailure | None:
    rows = house.store.history.runs(task_id=task_id, statuses=FAILED, limit=1)
    if not rows:
        return None
    row = house.store.history.run(str(rows[0]["id"]))
    return LastFailure(
        run_id=row["id"],
        status=row["status"],
        message=_message(row),
        exit_code=row["exit_code"],
        last_line=_last_line(row["stderr_output"]),
        at=row["completed_at"],
    )


def _message(row: Mapping[str, Any]) -> str:
    ended = f"exit code {row['exit_code']}" if row["exit_code"] is not None else str(row["status"])
    return str(row["error_message"] or ended)


def _last_line(text: str | None) -> str:
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    return lines[-1][:LINE_LENGTH] if lines else ""
