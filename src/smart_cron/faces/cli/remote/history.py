"""The ports `HistoryStore` and `AlertStore`, over HTTP, as far as commands ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from smart_cron.core.alert import Alert, AlertType, Cause, Severity
from smart_cron.core.run import ErrorType, Status
from smart_cron.faces.cli.remote.client import Api, instant
from smart_cron.faces.cli.remote.tasks import RemoteTasks

RUN_INSTANTS = ("scheduled_for", "started_at", "completed_at")
MOST_A_PAGE = 500
# Columns that commands look at and the API leaves out.
ELSEWHERE = {"output_path": None, "stdout_output": None, "stderr_output": None}


class RemoteHistory:
    """Runs of a server."""

    def __init__(self, api: Api, tasks: RemoteTasks) -> None:
        self._api, self._tasks = api, tasks

    def runs(
        self,
        *,
        task_id: int | None = None,
        statuses: Sequence[Status] | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[dict[str, Any]]:
        """Return runs, newest first."""
        task = None if task_id is None else self._tasks.name_of(task_id)
        found: list[dict[str, Any]] = []
        cursor = before_id
        while len(found) < limit:
            page = self._api.get(
                "/runs",
                task=task,
                status=[str(status) for status in statuses or ()],
                cursor=cursor,
                limit=min(limit - len(found), MOST_A_PAGE),
            )
            found += [_run(row) for row in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        return found

    def run(self, run: str) -> dict[str, Any]:
        """Return one, with the copies of its output."""
        return _run(self._api.get(f"/runs/{run}"))

    def request_cancel(
        self, execution_id: int, *, reason: ErrorType, actor: str, now: datetime, note: str = ""
    ) -> bool:
        """Ask for its end; False where it is over."""
        del reason, actor, now, note
        return bool(self._api.post(f"/runs/{execution_id}/kill")["changed"])


class RemoteAlerts:
    """Alerts of a server."""

    def __init__(self, api: Api, tasks: RemoteTasks) -> None:
        self._api, self._tasks = api, tasks

    def alerts(
        self,
        *,
        resolved: bool | None = None,
        severity: Severity | None = None,
        task_id: int | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[Alert]:
        """Return alerts, newest first."""
        found: list[Alert] = []
        cursor = before_id
        while len(found) < limit:
            page = self._api.get(
                "/alerts",
                state={None: "all", True: "resolved", False: "open"}[resolved],
                severity=None if severity is None else str(severity),
                task=None if task_id is None else self._tasks.name_of(task_id),
                cursor=cursor,
                limit=min(limit - len(found), MOST_A_PAGE),
            )
            found += [_alert(row) for row in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        return found

    def get(self, alert_id: int) -> Alert:
        """Return one."""
        return _alert(self._api.get(f"/alerts/{alert_id}"))

    def acknowledge(self, alert_id: int, *, user_id: int | None, actor: str, note: str | None = None) -> bool:
        """Note that somebody has seen it."""
        del user_id, actor
        return bool(self._api.post(f"/alerts/{alert_id}/acknowledge", {"note": note})["changed"])

    def resolve(self, alert_id: int, *, actor: str, note: str | None = None) -> bool:
        """Note that it is mended."""
        del actor
        return bool(self._api.post(f"/alerts/{alert_id}/resolve", {"note": note})["changed"])

    def snooze(self, alert_id: int, *, until: datetime | None, actor: str, note: str | None = None) -> bool:
        """Say nothing of it until then."""
        del actor
        return bool(self._api.post(f"/alerts/{alert_id}/snooze", {"until": until, "note": note})["changed"])


def _run(row: dict[str, Any]) -> dict[str, Any]:
    return {**ELSEWHERE, **row, **{name: instant(row[name]) for name in RUN_INSTANTS}}


def _alert(row: dict[str, Any]) -> Alert:
    created, last = instant(row["created_at"]), instant(row["last_occurred_at"])
    assert created is not None
    assert last is not None
    return Alert(
        id=row["id"],
        cause=Cause(
            alert_type=AlertType(row["alert_type"]),
            subtype=row["subtype"],
            task_id=row["task_id"],
            node=row["node"],
        ),
        severity=Severity(row["severity"]),
        message=row["message"],
        task_name=row["task_name"],
        execution_id=row["execution_id"],
        details=row["details"],
        occurrences=row["occurrences"],
        created_at=created,
        last_occurred_at=last,
        acknowledged=row["acknowledged"],
        acknowledged_at=instant(row["acknowledged_at"]),
        snoozed_until=instant(row["snoozed_until"]),
        resolved=row["resolved"],
        resolved_at=instant(row["resolved_at"]),
        resolved_by=row["resolved_by"],
        note=row["note"],
    )
