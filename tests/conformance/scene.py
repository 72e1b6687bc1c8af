"""A store with tasks in it, moved along as the engine does; the steps that most tests share."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from smart_cron.core.run import (
    AlertDraft,
    Claim,
    DueTask,
    EndCause,
    OpenRun,
    PlannedStart,
    RunEnd,
    Settlement,
    SlotPlan,
    Status,
)
from smart_cron.core.task import Task, TaskDefinition
from smart_cron.store import migrations
from smart_cron.store.gateway import Store

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
INCARNATION = "boot/state"
# Left to right: what planning must be told of a definition to find it unchanged.
ZONE = "UTC"
# By name, in order; `migrate` returns those that it applied.
MIGRATIONS = sorted(path.stem for path in Path(migrations.__path__[0]).glob("0*.py"))


def definition(name: str = "report", **changes: Any) -> TaskDefinition:
    return replace(TaskDefinition(name=name, script="/bin/true", schedule="* * * * *"), **changes)


class Scene:
    """The store, and the steps of a run: planned, waiting, claimed, ended, settled."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._numbers = itertools.count(1)

    # tasks -------------------------------------------------------------------------------------------------

    def add(self, name: str = "report", **changes: Any) -> Task:
        return self.store.tasks.add(definition(name, **changes), actor="test")

    def task(self, name: str = "report") -> Task:
        return self.store.tasks.get(name)

    def column(self, name: str, *, task: str = "report") -> Any:
        row = self.store.session.row(f"SELECT {name} FROM smart_cron_tasks_config WHERE task_name = %s", [task])
        assert row is not None
        return row[0]

    def sql(self, text: str, params: Sequence[object] = ()) -> int:
        return self.store.session.execute(text, params)

    # planning ----------------------------------------------------------------------------------------------

    def planned(self, *, next_run_at: datetime | None = NOON) -> None:
        """See every changed task, as planning does; its next slot is *next_run_at*."""
        with self.store.database.transaction():
            changed = self.store.plans.lock_changed(limit=1000)
            plans = [self.plan(task, next_run_at=next_run_at if task.enabled else None) for task in changed]
            self.store.plans.save_plans(plans, now=NOON - MINUTE)

    def plan(self, task: DueTask, **changes: Any) -> SlotPlan:
        known: dict[str, Any] = {
            "next_run_at": NOON + MINUTE,
            "accounted_until": NOON - MINUTE,
            "zone": task.time_zone or ZONE,
            "invalid_reason": task.fault,
        }
        return SlotPlan(task=task, **(known | changes))

    def due(self, now: datetime = NOON) -> list[DueTask]:
        with self.store.database.transaction():
            return self.store.plans.lock_due(now=now, limit=1000)

    def start(self, *names: str, at: datetime = NOON, status: Status = Status.WAITING, **changes: Any) -> int:
        """Make an execution of the slot *at* for these tasks, or all that are due; return how many were new."""
        with self.store.database.transaction():
            due = self.store.plans.lock_due(now=at + 10_000 * MINUTE, limit=1000)
            starts = (PlannedStart(scheduled_for=at, status=status, start_before=None),)
            wanted = [task for task in due if not names or task.name in names]
            plans = [self.plan(task, **({"starts": starts} | changes)) for task in wanted]
            return self.store.plans.save_plans(plans, now=at)

    # running -----------------------------------------------------------------------------------------------

    def claim(self, limit: int = 100, *, node: str = "one", now: datetime = NOON) -> list[Claim]:
        with self.store.database.transaction():
            waiting = self.store.claims.lock_waiting(limit=limit)
            return self.store.claims.claim(
                [(run.execution_id, self.run_id()) for run in waiting],
                node=node,
                incarnation=INCARNATION,
                launch_deadline=1000.5,
                now=now,
            )

    def run_id(self) -> str:
        return f"00000000-0000-7000-8000-{next(self._numbers):012d}"

    def open_runs(self, claims: Sequence[Claim]) -> list[OpenRun]:
        return self.store.records.lock_open([(claim.execution_id, claim.run_id) for claim in claims])

    def settle(self, claims: Sequence[Claim], **changes: Any) -> list[OpenRun]:
        """Settle these as won, or as *changes* of the settlement say."""
        with self.store.database.transaction():
            runs = self.open_runs(claims)
            self.store.records.settle([settlement(run, **changes) for run in runs], now=NOON + MINUTE)
            return runs

    def ran(self, name: str = "report", **changes: Any) -> int:
        """Add a task if it is not there, and take one run of it from its request to its end."""
        number = self.requested(name)
        self.settle(self.claim(), **changes)
        return number

    def requested(self, name: str = "report") -> int:
        if not self.store.session.row("SELECT 1 FROM smart_cron_tasks_config WHERE task_name = %s", [name]):
            self.add(name)
        return self.store.tasks.request_run(self.task(name).id, arguments=None, actor="test", now=NOON)

    def execution(self, number: int) -> dict[str, Any]:
        return self.store.history.run(str(number))

    def statuses(self) -> list[str]:
        return [row[0] for row in self.store.session.rows("SELECT status FROM smart_cron_executions ORDER BY id")]

    def count(self, table: str) -> int:
        row = self.store.session.row(f"SELECT COUNT(*) FROM {table}")
        assert row is not None
        return int(row[0])


def ended(run: OpenRun, **changes: Any) -> RunEnd:
    known: dict[str, Any] = {
        "run_id": run.run_id,
        "execution_id": run.execution_id,
        "cause": EndCause.EXITED,
        "started_at": NOON,
        "completed_at": NOON + 2 * SECOND,
        "duration": 2.0,
        "exit_code": 0,
    }
    return RunEnd(**(known | changes))


def settlement(run: OpenRun, *, end: dict[str, Any] | None = None, **changes: Any) -> Settlement:
    known: dict[str, Any] = {
        "run": run,
        "end": ended(run, **(end or {})),
        "status": Status.SUCCESS,
        "success": True,
        "exit_code": 0,
        "error_type": None,
        "error_message": None,
    }
    return Settlement(**(known | changes))


FAILED: dict[str, Any] = {
    "status": Status.FAILED,
    "success": False,
    "exit_code": 3,
    "slot_failed": True,
    "alerts": (AlertDraft(alert_type="task_failure", severity="error", message="Exit code 3"),),
}
