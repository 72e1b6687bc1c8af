"""The specification's `SmartCronRunner` in Python's spelling: a thin face over the engine that the commands use."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from smart_cron.core.errors import InvalidInputError
from smart_cron.core.run import Status
from smart_cron.core.task import Task
from smart_cron.home import require_owner
from smart_cron.wiring import House, open_house

if TYPE_CHECKING:
    from smart_cron.logs.logger import SmartCronLogger

DUE_LIMIT = 1000
# A task's executions are looked through so far back for that of a slot.
LATEST = 50
LOOK_AGAIN_SECONDS = 0.2
# Whether the master that sees to the runs still works is asked this often.
MASTER_LIVES_SECONDS = 2.0


@dataclass(slots=True)
class _Wanted:
    """A task to execute: its due slot, or None for a run by hand, and the execution as soon as there is one."""

    task: Task
    slot: datetime | None
    execution_id: int | None = None


class SmartCronRunner:
    """The task execution engine.

    *db* is a House, or None for the one that the settings name. A task is a dictionary with at least `task_name`,
    as `get_due_tasks` returns it; a result has the columns of `smart_cron_executions`.
    """

    def __init__(self, db: House | None = None, logger: SmartCronLogger | None = None) -> None:
        self._house = open_house() if db is None else db
        self._logger = logger

    def get_due_tasks(self) -> list[dict[str, Any]]:
        """Return the tasks whose next slot has come, most urgent first. Claims and changes nothing."""
        due = self._house.store.tasks.due(now=self._house.clock.now(), limit=DUE_LIMIT)
        return [_row(task) for task in due]

    def execute_tasks(self, tasks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Execute these tasks, `max_concurrent` at once, and return their results in the same order.

        A task that is due has its due slot taken, as a pass of the master does: it does not run a second time, and a
        slot that ran meanwhile is not run again but returned. Others run by hand. Where a master works for this node,
        it is asked, and waited for. A slot that its task's policies leave out has the `status` `skipped`.

        Raises UnknownTaskError, and TaskBusyError for a run by hand beside one that is going on: before any is run.
        """
        wanted = [self._wanted(task) for task in tasks]
        if not self._house.master_is_running():
            require_owner(self._house.config)
        for each in wanted:
            if each.slot is None:
                each.execution_id = self._request(each.task)
        while not self._taken_over(wanted) and not self._watched(wanted):
            pass
        return [self._result(each) for each in wanted]

    def execute_task(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Execute one task, as `execute_tasks` does, and return its execution when it has ended."""
        return self.execute_tasks([task])[0]

    def clean_stale_locks(self) -> None:
        """Make `is_running` say what really runs. There is no lock that could be stale: this heals edits by hand."""
        with self._house.store.database.transaction():
            self._house.store.records.heal_projections()

    def cleanup(self) -> None:
        """Write what is buffered and close the connection."""
        self._house.close()

    def _wanted(self, given: Mapping[str, Any]) -> _Wanted:
        name = given.get("task_name")
        if not isinstance(name, str):
            raise InvalidInputError([f"a task needs its 'task_name', got the keys {sorted(given)}"])
        task = self._house.store.tasks.get(name)
        now = self._house.clock.now()
        # What was due when it was read is due still, though a master may have been quicker.
        told = given.get("next_run_at")
        if isinstance(told, datetime) and told <= now:
            return _Wanted(task, told)
        is_due = task.definition.enabled and task.next_run_at is not None and task.next_run_at <= now
        return _Wanted(task, task.next_run_at if is_due else None)

    def _request(self, task: Task) -> int:
        now = self._house.clock.now()
        return self._house.store.tasks.request_run(task.id, arguments=None, actor="SmartCronRunner", now=now)

    def _taken_over(self, wanted: Sequence[_Wanted]) -> bool:
        """See to the runs where no master works for this node, or not any more; say whether that was so."""
        with self._house.hold_node() as held:
            if held:
                with closing(self._house.master()) as master:
                    master.run_chosen(
                        lambda: [number for each in wanted if (number := self._open_execution(each)) is not None],
                        on_turn=lambda: all(self._is_over(each) for each in wanted),
                    )
            return held

    def _watched(self, wanted: Sequence[_Wanted]) -> bool:
        """A master sees to the runs: look at them for a while, and say whether all are over."""
        ends_at = time.monotonic() + MASTER_LIVES_SECONDS
        while not all(self._is_over(each) for each in wanted):
            if time.monotonic() > ends_at:
                return False
            time.sleep(LOOK_AGAIN_SECONDS)
        return True

    def _open_execution(self, wanted: _Wanted) -> int | None:
        return None if self._is_over(wanted) else wanted.execution_id

    def _is_over(self, wanted: _Wanted) -> bool:
        """Whether it has ended; a slot that was planned and has no execution has its outcome, too."""
        row = self._execution(wanted)
        if row is not None:
            return Status(row["status"]).is_final
        return self._is_planned(wanted)

    def _is_planned(self, wanted: _Wanted) -> bool:
        next_run_at = self._house.store.tasks.get(wanted.task.name).next_run_at
        return wanted.slot is not None and (next_run_at is None or next_run_at > wanted.slot)

    def _execution(self, wanted: _Wanted) -> dict[str, Any] | None:
        history = self._house.store.history
        if wanted.execution_id is None and wanted.slot is not None:
            slot, rows = wanted.slot, history.runs(task_id=wanted.task.id, limit=LATEST)
            # Where several were missed, the newest of them runs for all.
            later = (row["id"] for row in rows if row["scheduled_for"] is not None and row["scheduled_for"] >= slot)
            wanted.execution_id = next(later, None)
        return None if wanted.execution_id is None else history.run(str(wanted.execution_id))

    def _result(self, wanted: _Wanted) -> dict[str, Any]:
        task = wanted.task
        row = self._execution(wanted)
        if row is None:
            row = {"task_id": task.id, "task_name": task.name, "scheduled_for": wanted.slot}
            row |= {"id": None, "status": "skipped", "success": 0, "exit_code": None}
        if self._logger is not None:
            self._logger.info(f"Executed {task.name}", {"status": row["status"], "exit_code": row["exit_code"]})
        return row


def _row(task: Task) -> dict[str, Any]:
    definition = task.definition
    return {
        "id": task.id,
        "task_name": definition.name,
        "task_description": definition.description,
        "task_script": definition.script or "",
        "schedule_pattern": definition.schedule,
        "priority": definition.priority,
        "timeout_seconds": int(definition.timeout.total_seconds()),
        "next_run_at": task.next_run_at,
        "last_run_at": task.last_run_at,
    }
