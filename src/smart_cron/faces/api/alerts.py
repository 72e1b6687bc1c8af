"""`/alerts`: what is wrong, and saying that one has seen or mended it."""

from __future__ import annotations

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from smart_cron.core.alert import Alert, Severity
from smart_cron.core.alert_columns import alert_columns
from smart_cron.core.errors import UnknownAlertError
from smart_cron.core.people import Role
from smart_cron.faces.api.access import actor_of, needs, person_of
from smart_cron.faces.api.paging import Number, Paging, page
from smart_cron.faces.api.schemas import AlertOut, AlertPage, Note, Said, Snooze
from smart_cron.faces.api.tasks import task_of
from smart_cron.faces.web.nearness import those_near
from smart_cron.faces.web.premises import premises_of

router = Router(tags=["alerts"])


class AlertFilter(Paging):
    """Which alerts are listed."""

    state: Literal["open", "resolved", "all"] = "open"
    severity: Severity | None = None
    task: str | None = Field(None, max_length=100)


@router.get("", response=AlertPage, summary="List alerts")
@needs(Role.VIEWER)
def list_alerts(request: HttpRequest, filters: Query[AlertFilter]) -> dict[str, Any]:
    """The newest first, open ones unless asked otherwise."""
    found = premises_of(request).store.alerts.alerts(
        resolved={"open": False, "resolved": True, "all": None}[filters.state],
        severity=filters.severity,
        task_id=task_of(request, filters.task).id if filters.task else None,
        before_id=filters.cursor,
        limit=filters.limit + 1,
    )
    told = page([alert_columns(alert) for alert in found], filters.limit)
    near = {alert.id for alert in those_near(premises_of(request), person_of(request), found)}
    return {**told, "items": [alert for alert in told["items"] if alert["id"] in near]}


@router.get("/{number}", response=AlertOut, summary="Show an alert")
@needs(Role.VIEWER)
def show_alert(request: HttpRequest, number: Number) -> dict[str, Any]:
    """By its number."""
    return alert_columns(_alert(request, number))


@router.post("/{number}/acknowledge", response=Said, summary="Note that somebody has seen it")
@needs(Role.OPERATOR)
def acknowledge_alert(request: HttpRequest, number: Number, payload: Note | None = None) -> dict[str, Any]:
    """No more reminders come."""
    alert, said = _alert(request, number), payload or Note(note=None)
    changed = premises_of(request).store.alerts.acknowledge(
        alert.id, user_id=person_of(request).id, actor=actor_of(request), note=said.note
    )
    return {"changed": changed, "message": "Acknowledged." if changed else "It was acknowledged or resolved before."}


@router.post("/{number}/resolve", response=Said, summary="Note that it is mended")
@needs(Role.OPERATOR)
def resolve_alert(request: HttpRequest, number: Number, payload: Note | None = None) -> dict[str, Any]:
    """It opens again where it happens again."""
    alert, said = _alert(request, number), payload or Note(note=None)
    changed = premises_of(request).store.alerts.resolve(alert.id, actor=actor_of(request), note=said.note)
    return {"changed": changed, "message": "Resolved." if changed else "It was resolved before."}


@router.post("/{number}/snooze", response=Said, summary="Say nothing of it until an instant")
@needs(Role.OPERATOR)
def snooze_alert(request: HttpRequest, number: Number, payload: Snooze) -> dict[str, Any]:
    """Without an instant it speaks again."""
    alert = _alert(request, number)
    changed = premises_of(request).store.alerts.snooze(
        alert.id, until=payload.until, actor=actor_of(request), note=payload.note
    )
    return {"changed": changed, "message": "Noted." if changed else "It was resolved before."}


def _alert(request: HttpRequest, number: int) -> Alert:
    found = those_near(premises_of(request), person_of(request), [premises_of(request).store.alerts.get(number)])
    if not found:
        raise UnknownAlertError(number)
    return found[0]
