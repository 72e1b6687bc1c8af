"""The port `TaskStore`, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from smart_cron.core.task import Task, TaskDefinition
from smart_cron.faces.cli.documents import definition_document
from smart_cron.faces.cli.remote.client import Api, instant
from smart_cron.faces.task_columns import changed, is_column

NOT_TAKEN = ("origin",)


class RemoteTasks:
    """Tasks of a server. Who changes them is the key's user, whatever `actor` says here."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._names: dict[int, str] = {}

    def list(self, *, enabled: bool | None = None, group: str | None = None) -> list[Task]:
        """Return the tasks, by name."""
        asked = None if enabled is None else str(enabled).lower()
        return [self._task(row) for row in self._api.get("/tasks", enabled=asked, group=group)]

    def get(self, name_or_id: str | int) -> Task:
        """Return one. Raise SmartCronError where there is none."""
        return self._task(self._api.get(f"/tasks/{quote(str(name_or_id), safe='')}"))

    def add(self, definition: TaskDefinition, *, actor: str) -> Task:
        """Add one."""
        del actor
        usual = definition_document(TaskDefinition(name="", schedule=""))
        terms = {
            name: value
            for name, value in _document(definition).items()
            if value != usual[name] or name in ("task_name", "schedule_pattern")
        }
        return self._task(self._api.post("/tasks", terms))

    def replace(self, task_id: int, definition: TaskDefinition, *, actor: str, revision: int | None = None) -> Task:
        """Change what differs from what stands there now."""
        del actor, revision
        name = self._names[task_id]
        before = _document(self.get(name).definition)
        after = _document(definition)
        terms = {column: value for column, value in after.items() if value != before[column] and column != "task_name"}
        return self._task(self._api.patch(f"/tasks/{name}", terms))

    def set_enabled(self, task_id: int, enabled: bool, *, actor: str) -> None:
        """Switch it on or off."""
        del actor
        self._api.post(f"/tasks/{self._names[task_id]}/{'enable' if enabled else 'disable'}")

    def remove(self, task_id: int, *, actor: str, now: datetime) -> None:
        """Delete it; its history stays."""
        del actor, now
        self._api.delete(f"/tasks/{self._names[task_id]}")

    def request_run(
        self, task_id: int, *, arguments: Sequence[str] | None, actor: str, now: datetime, retry_of: int | None = None
    ) -> int:
        """Ask for a run and return its number."""
        del actor, now
        if retry_of is not None:
            return int(self._api.post(f"/runs/{retry_of}/retry")["id"])
        body = {} if arguments is None else {"arguments": list(arguments)}
        return int(self._api.post(f"/tasks/{self._names[task_id]}/run", body)["id"])

    def name_of(self, task_id: int) -> str:
        """Return the name of a task that was asked for before."""
        return self._names[task_id]

    def _task(self, row: Mapping[str, Any]) -> Task:
        self._names[row["id"]] = row["task_name"]
        return task_of(row)


def task_of(row: Mapping[str, Any]) -> Task:
    """Return a task from its document."""
    empty = TaskDefinition(name="", schedule="")
    columns = {name: value for name, value in row.items() if is_column(name)}
    return Task(
        id=row["id"],
        definition=changed(empty, columns),
        is_running=row["is_running"],
        last_run_at=instant(row["last_run_at"]),
        next_run_at=instant(row["next_run_at"]),
        last_status=row["last_status"],
        consecutive_failures=row["consecutive_failures"],
        total_executions=row["total_executions"],
        total_successes=row["total_successes"],
        total_failures=row["total_failures"],
        avg_execution_time=row["avg_execution_time"],
        invalid_reason=row["invalid_reason"],
    )


def _document(definition: TaskDefinition) -> dict[str, Any]:
    own = {
        "environment": dict(definition.environment),
        "alert_slack_webhook": definition.alert_slack_webhook,
        "ping_url": definition.ping_url,
    }
    return {name: value for name, value in {**definition_document(definition), **own}.items() if name not in NOT_TAKEN}
