"""`/tasks/NAME/revisions`: definitions as they were saved, and the way back to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from ninja.errors import HttpError

from smart_cron.core.people import Role
from smart_cron.core.revision import Revision
from smart_cron.core.revision_words import shown
from smart_cron.faces.api.access import needs
from smart_cron.faces.api.definitions import save
from smart_cron.faces.api.paging import Number, Paging, page
from smart_cron.faces.api.schemas import TaskOut
from smart_cron.faces.api.tasks import task_of
from smart_cron.faces.cli.documents import task_document
from smart_cron.faces.web.premises import premises_of

router = Router(tags=["tasks"])


class RevisionOut(Schema):
    """A definition as it was saved; secrets are masked."""

    revision: int
    task_name: str
    saved_at: datetime | None
    actor: str
    source: str | None
    definition: dict[str, Any]


class RevisionPage(Schema):
    items: list[RevisionOut]
    next: int | None


@router.get("/{name}/revisions", response=RevisionPage, summary="Its saved definitions")
@needs(Role.VIEWER)
def list_revisions(request: HttpRequest, name: str, paging: Query[Paging]) -> dict[str, Any]:
    """The newest first."""
    found = premises_of(request).store.revisions.revisions(
        task_of(request, name).id, before=paging.cursor, limit=paging.limit + 1
    )
    return page([_document(revision) for revision in found], paging.limit, key="revision")


@router.post("/{name}/revisions/{revision}/restore", response=TaskOut, summary="Give it a definition back")
@needs(Role.EDITOR)
def restore_revision(request: HttpRequest, name: str, revision: Number) -> dict[str, Any]:
    """A change like any other: checked as one, and saved as a new revision."""
    task, store = task_of(request, name), premises_of(request).store
    definition, fault = store.revisions.definition(task.id, revision)
    if fault is not None:
        raise HttpError(409, f"Revision {revision} cannot be used: {fault}.")
    return task_document(save(request, task.id, lambda now: replace(definition, name=now.name), revision=int(revision)))


def _document(revision: Revision) -> Mapping[str, Any]:
    return {
        "revision": revision.number,
        "task_name": revision.task_name,
        "saved_at": revision.saved_at,
        "actor": revision.actor,
        "source": revision.source,
        "definition": {name: shown(name, value) for name, value in revision.values.items()},
    }
