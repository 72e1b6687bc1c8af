"""Tasks as people see them: the port `TaskStore`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from smart_cron.core import builtin
from smart_cron.core.errors import (
    SmartCronError,
    TaskBusyError,
    TaskChangedError,
    TaskExistsError,
    UnknownRunError,
    UnknownTaskError,
)
from smart_cron.core.run import ErrorType, Status
from smart_cron.core.task import OnOverlap, Task, TaskDefinition
from smart_cron.store import definitions
from smart_cron.store.alerts import Alerts
from smart_cron.store.audit import Audit, changes
from smart_cron.store.bulk import placeholders
from smart_cron.store.plans import Plans
from smart_cron.store.queues import clamped
from smart_cron.store.releases import TASK_GONE, Releases
from smart_cron.store.revisions import Revisions
from smart_cron.store.session import Session

TASK_DELETED = "the task was deleted before this slot could start"

_STATE = """id, is_running, last_run_at, next_run_at, last_status, consecutive_failures, total_executions,
    total_successes, total_failures, avg_execution_time, invalid_reason"""
_SELECT = f"SELECT {_STATE}, {', '.join(definitions.COLUMNS)} FROM smart_cron_tasks_config"
_STATE_COUNT = 11
_DEFINED = ", ".join(f"{column} = %s" for column in definitions.COLUMNS)
_INSERT = f"""INSERT INTO smart_cron_tasks_config ({", ".join(definitions.COLUMNS)})
    VALUES ({placeholders(definitions.COLUMNS)})"""

# Inside the class `list` is the port's method.
Tasklist = list[Task]


class Tasks:
    """Reads and changes tasks; every change is one transaction with its audit row."""

    def __init__(
        self, session: Session, releases: Releases, *, plans: Plans, audit: Audit, alerts: Alerts, revisions: Revisions
    ) -> None:
        self._session, self._releases, self._plans, self._audit = session, releases, plans, audit
        self._alerts, self._revisions = alerts, revisions
        self._read = session.dialect.read_instant

    def list(self, *, enabled: bool | None = None, group: str | None = None) -> Tasklist:
        """Return tasks by name."""
        conditions, params = ["1 = 1"], []
        if enabled is not None:
            conditions.append("enabled <> 0" if enabled else "enabled = 0")
        if group is not None:
            conditions.append("task_group = %s")
            params.append(group)
        rows = self._session.rows(f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY task_name", params)
        return [self._task(row) for row in rows]

    def get(self, name_or_id: str | int) -> Task:
        """Return the task of this name, or else of this number; of an int, which is no name, of this number alone.

        Raise UnknownTaskError where there is none.
        """
        if isinstance(name_or_id, int):
            return self._by_id(name_or_id)
        row = self._session.row(f"{_SELECT} WHERE task_name = %s", [name_or_id])
        if row is None and name_or_id.isascii() and name_or_id.isdigit() and len(name_or_id) < 10:
            row = self._session.row(f"{_SELECT} WHERE id = %s", [int(name_or_id)])
        if row is None:
            raise UnknownTaskError(name_or_id)
        return self._task(row)

    def due(self, *, now: datetime, limit: int) -> Tasklist:
        """Return enabled tasks whose next slot has come, by priority; nothing is locked or claimed."""
        dialect = self._session.dialect
        rows = self._session.rows(
            f"""{_SELECT}{dialect.force_index("smart_cron_tasks_due")} WHERE plannable = 1 AND next_run_at <= %s
             ORDER BY priority, next_run_at, id LIMIT %s""",
            [dialect.instant(now), limit],
        )
        return [self._task(row) for row in rows]

    def add(self, definition: TaskDefinition, *, actor: str) -> Task:
        """Raise TaskExistsError when the name is taken."""
        return self._session.again(lambda: self._add(definition, actor))

    def _add(self, definition: TaskDefinition, actor: str) -> Task:
        self._require_free(definition.name)
        values = definitions.column_values(definition)
        task_id = self._session.insert(_INSERT, values)
        entity = ("task", task_id, definition.name)
        self._audit.note("create", actor=actor, entity=entity, new=_named(values))
        self._revisions.keep(task_id, actor=actor)
        return self._by_id(task_id)

    def replace(
        self,
        task_id: int,
        definition: TaskDefinition,
        *,
        actor: str,
        revision: int | None = None,
        read: int | None = None,
    ) -> Task:
        """Give the task this definition in place of its own, unless it was changed since *read*."""
        return self._session.again(lambda: self._replace(task_id, definition, actor, revision, read))

    def _replace(
        self, task_id: int, definition: TaskDefinition, actor: str, revision: int | None, read: int | None
    ) -> Task:
        columns = ", ".join(definitions.COLUMNS)
        row = self._session.row(
            f"SELECT {columns} FROM smart_cron_tasks_config WHERE id = %s{self._session.dialect.lock}", [task_id]
        )
        if row is None:
            raise UnknownTaskError(str(task_id))
        if row[0] != definition.name:
            self._require_free(definition.name)
        self._revisions.notice_among([task_id])
        if read is not None:
            self._require_unchanged(task_id, str(row[0]), read)
        values = definitions.column_values(definition)
        old, new = changes(_named(row), _named(values))
        # Unplanned anew even where nothing that planning looks at changed: it may have been what made it invalid.
        self._session.execute(
            f"UPDATE smart_cron_tasks_config SET {_DEFINED}, updated_at = %s, planned_policy = NULL WHERE id = %s",
            [*values, self._now(), task_id],
        )
        if not definition.enabled:
            self._alerts.close_disabled(task_id)
        action, entity = "update" if revision is None else f"rollback to {revision}", ("task", task_id, definition.name)
        self._audit.note(action, actor=actor, entity=entity, old=old, new=new)
        self._revisions.keep(task_id, actor=actor)
        return self._by_id(task_id)

    def set_enabled(self, task_id: int, enabled: bool, *, actor: str) -> None:
        """Switch the task on or off."""
        self._session.again(lambda: self._set_enabled(task_id, enabled, actor))

    def _set_enabled(self, task_id: int, enabled: bool, actor: str) -> None:
        task = self._locked(task_id)
        self._revisions.notice_among([task_id])
        self._session.execute(
            "UPDATE smart_cron_tasks_config SET enabled = %s, updated_at = %s WHERE id = %s",
            [int(enabled), self._now(), task_id],
        )
        if not enabled:
            self._alerts.close_disabled(task_id)
        old, new = {"enabled": int(task.definition.enabled)}, {"enabled": int(enabled)}
        action = "enable" if enabled else "disable"
        self._audit.note(action, actor=actor, entity=("task", task_id, task.name), old=old, new=new)
        self._revisions.keep(task_id, actor=actor)

    def set_next_run(self, task_id: int, at: datetime, *, actor: str) -> None:
        """Make this instant the next slot, as an UPDATE by hand would."""
        self._session.again(lambda: self._set_next_run(task_id, at, actor))

    def _set_next_run(self, task_id: int, at: datetime, actor: str) -> None:
        task, instant = self._locked(task_id), self._session.dialect.instant
        self._session.execute(
            "UPDATE smart_cron_tasks_config SET next_run_at = %s, updated_at = %s WHERE id = %s",
            [instant(at), self._now(), task_id],
        )
        old = {"next_run_at": task.next_run_at and instant(task.next_run_at)}
        self._audit.note(
            "update", actor=actor, entity=("task", task_id, task.name), old=old, new={"next_run_at": instant(at)}
        )

    def remove(self, task_id: int, *, actor: str, now: datetime) -> None:
        """Delete the task and what of it has not started; its history stays, and what runs goes on to its end.

        Slots that came due by *now* and were not planned are missed.
        """
        self._session.again(lambda: self._remove(task_id, actor, now))

    def _remove(self, task_id: int, actor: str, now: datetime) -> None:
        task = self._locked(task_id)
        if builtin.is_builtin(task.definition):
            raise SmartCronError(
                f"the task '{task.name}' is built in.", remedy=f"Switch it off: smart-cron task disable {task.name}"
            )
        self._revisions.notice_among([task_id])
        self._plans.write_off(task_id, now=now, reason=TASK_DELETED)
        pending = self._session.rows(
            """SELECT id FROM smart_cron_executions
             WHERE task_id = %s AND status IN ('waiting', 'delayed', 'queued', 'blocked') ORDER BY id""",
            [task_id],
        )
        self._releases.settle_unstarted([row[0] for row in pending], Status.SKIPPED, reason=TASK_GONE, now=now)
        self._alerts.close_removed(task_id)
        self._session.execute("DELETE FROM smart_cron_tasks_config WHERE id = %s", [task_id])
        old = _named(definitions.column_values(task.definition))
        self._audit.note("delete", actor=actor, entity=("task", task_id, task.name), old=old)

    def request_run(
        self, task_id: int, *, arguments: Sequence[str] | None, actor: str, now: datetime, retry_of: int | None = None
    ) -> int:
        """Insert a manual run that may start at once, and return its id.

        Raise TaskBusyError where the overlap policy says so, UnknownRunError where *retry_of* is no run of the task.
        """
        return self._session.again(lambda: self._request_run(task_id, arguments, actor, now, retry_of))

    def _request_run(
        self, task_id: int, arguments: Sequence[str] | None, actor: str, now: datetime, retry_of: int | None
    ) -> int:
        task = self._locked(task_id)
        own = None if arguments is None else json.dumps(_texts(arguments))
        if retry_of is not None:
            own = own or self._arguments_of(task_id, retry_of)
        status, replaced = self._admit(task)
        moment = self._session.dialect.instant(now)
        definition = task.definition
        number = self._session.insert(
            f"""INSERT INTO smart_cron_executions (task_id, task_name, status, priority, due_at, task_group, node_tag,
                triggered_by, run_arguments, requested_by, reason, created_at)
             VALUES ({placeholders(range(12))})""",
            [
                task_id, task.name, str(status), clamped(definition.priority), moment, definition.group,
                definition.node_tag, "manual", own, actor[:100], retry_of and f"rerun of run {retry_of}", moment,
            ],
        )  # fmt: skip
        if replaced:
            self._releases.cancel(replaced, reason=ErrorType.REPLACED, now=now)
        new = {"arguments": arguments and _texts(arguments), "retry_of": retry_of, "task": task.name}
        self._audit.note("run", actor=actor, entity=("execution", number, task.name), new=new)
        return number

    def _admit(self, task: Task) -> tuple[Status, Sequence[int]]:
        """Return how a manual run begins, and what it replaces."""
        active = self._releases.in_the_way([task.id])
        policy = task.definition.on_overlap
        if not active or policy is OnOverlap.ALLOW:
            return Status.WAITING, ()
        if policy is OnOverlap.REPLACE:
            return Status.QUEUED, [number for _, number, _ in active]
        queued = any(status == Status.QUEUED for _, _, status in active)
        if policy is OnOverlap.SKIP or queued:
            what = "has a run in line already" if queued else f"is busy with run {active[0][1]}"
            raise TaskBusyError(
                f"task '{task.name}' {what}, and its on_overlap is '{policy}'.",
                remedy="Wait for it, or end it with 'smart-cron run kill'.",
            )
        return Status.QUEUED, ()

    def _arguments_of(self, task_id: int, execution_id: int) -> str | None:
        row = self._session.row(
            "SELECT run_arguments FROM smart_cron_executions WHERE id = %s AND task_id = %s", [execution_id, task_id]
        )
        if row is None:
            raise UnknownRunError(str(execution_id))
        arguments: str | None = row[0]
        return arguments

    def _require_unchanged(self, task_id: int, name: str, read: int) -> None:
        latest = self._revisions.revisions(task_id, limit=1)
        if latest and latest[0].number != max(read, 1):
            raise TaskChangedError(name, read=read, saved=latest[0].number)

    def _require_free(self, name: str) -> None:
        if self._session.row("SELECT id FROM smart_cron_tasks_config WHERE task_name = %s", [name]):
            raise TaskExistsError(name)

    def _locked(self, task_id: int) -> Task:
        row = self._session.row(f"{_SELECT} WHERE id = %s{self._session.dialect.lock}", [task_id])
        if row is None:
            raise UnknownTaskError(str(task_id))
        return self._task(row)

    def _by_id(self, task_id: int) -> Task:
        row = self._session.row(f"{_SELECT} WHERE id = %s", [task_id])
        if row is None:
            raise UnknownTaskError(str(task_id))
        return self._task(row)

    def _now(self) -> str:
        return self._session.dialect.instant(self._session.now())

    def _task(self, row: tuple[Any, ...]) -> Task:
        definition, fault = definitions.read_definition(row[_STATE_COUNT:])
        return Task(
            id=row[0],
            definition=definition,
            is_running=bool(row[1]),
            last_run_at=self._read(row[2]),
            next_run_at=self._read(row[3]),
            last_status=row[4],
            consecutive_failures=row[5],
            total_executions=row[6],
            total_successes=row[7],
            total_failures=row[8],
            avg_execution_time=row[9],
            invalid_reason=row[10] or fault,
        )


def _named(values: Sequence[object]) -> dict[str, object]:
    return dict(zip(definitions.COLUMNS, values, strict=True))


def _texts(arguments: Sequence[str]) -> Sequence[str]:
    return [str(argument) for argument in arguments]
