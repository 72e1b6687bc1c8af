"""The specification's classes in Python's spelling: thin faces over the same engine that the commands use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from smart_cron.core.errors import SmartCronError
from smart_cron.core.task import Task
from smart_cron.wiring import House, open_house

if TYPE_CHECKING:
    from smart_cron.logs.logger import SmartCronLogger

DUE_LIMIT = 1000


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
        """Execute these tasks one after the other and return their results in the same order."""
        return [self.execute_task(task) for task in tasks]

    def execute_task(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Execute one task now, by hand as it were, and return its execution when it has ended.

        Raises UnknownTaskError, TaskBusyError, and SmartCronError where a master works for this node: then that
        master starts it, see `smart-cron task run`.
        """
        store = self._house.store
        found = store.tasks.get(str(task["task_name"]))
        with self._house.hold_node() as held:
            if not held:
                raise SmartCronError("a master works for this node.", remedy="Use 'smart-cron task run NAME --wait'.")
            execution_id = store.tasks.request_run(
                found.id, arguments=None, actor="SmartCronRunner", now=self._house.clock.now()
            )
            self._house.master().run_one(execution_id, on_turn=lambda: None)
        result = store.history.run(str(execution_id))
        if self._logger is not None:
            self._logger.info(f"Executed {found.name}", {"status": result["status"], "exit_code": result["exit_code"]})
        return result

    def clean_stale_locks(self) -> None:
        """Make `is_running` say what really runs. There is no lock that could be stale: this heals edits by hand."""
        with self._house.store.database.transaction():
            self._house.store.records.heal_projections()

    def cleanup(self) -> None:
        """Write what is buffered and close the connection."""
        self._house.close()


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
