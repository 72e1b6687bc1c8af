"""`/audit`: who changed what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from smart_cron.core.audit import AuditFilter
from smart_cron.core.people import Role
from smart_cron.faces.api.access import needs
from smart_cron.faces.api.paging import Instant, Paging
from smart_cron.faces.web.premises import premises_of
from smart_cron.services.audit import number_of

router = Router(tags=["audit"])


class Entry(Schema):
    """One change; old and new values are JSON."""

    id: int
    created_at: datetime | None
    actor: str
    user_id: int | None
    source: str | None
    ip_address: str | None
    action: str
    entity_type: str
    entity_id: int | None
    entity_name: str | None
    old_values: str | None
    new_values: str | None
    row_hash: str | None


class EntryPage(Schema):
    items: list[Entry]
    next: int | None


class Wanted(Paging):
    """Which changes."""

    since: Instant | None = None
    until: Instant | None = None
    user: str | None = Field(None, max_length=100)
    action: str | None = Field(None, max_length=50)
    task: str | None = Field(None, max_length=100)


@router.get("", response=EntryPage, summary="Who changed what")
@needs(Role.ADMIN)
def list_audit(request: HttpRequest, asked: Query[Wanted]) -> dict[str, Any]:
    """The newest first."""
    store = premises_of(request).store
    wanted = AuditFilter(
        since=asked.since,
        until=asked.until,
        user=asked.user,
        action=asked.action,
        task=asked.task,
        task_id=number_of(store.tasks, asked.task) if asked.task else None,
    )
    found = store.audit.entries(wanted, before_id=asked.cursor, limit=asked.limit + 1)
    shown = found[: asked.limit]
    return {"items": shown, "next": shown[-1].id if len(found) > asked.limit else None}
