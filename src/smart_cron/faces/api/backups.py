"""`/backups`: taken and proven. They are put back on the console alone: `smart-cron backup restore`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from smart_cron.core.backup import Backup, BackupKind, as_document
from smart_cron.core.people import Role
from smart_cron.faces.api.access import actor_of, needs, person_of
from smart_cron.faces.api.paging import Closed
from smart_cron.faces.api.schemas import Said
from smart_cron.faces.web.backup_work import (
    CHORE,
    LABEL_CHARACTERS,
    begin_create,
    begin_verify,
    find_backup,
    id_of,
    keeper,
    require_all_groups,
)
from smart_cron.faces.web.premises import premises_of

router = Router(tags=["backups"])
BUSY = "Another backup is at work. Let it end, then try it again."


class TableOut(Schema):
    """How many rows a table has in it, and a sum over them."""

    rows: int
    checksum: str


class BackupOut(Schema):
    """A backup; it counts once it is verified. `id` stands for it in addresses; `reason` is null for one laid there by
    hand, and `is_there` false where it could not be taken.
    """

    id: str
    name: str
    kind: str
    reason: str | None
    status: str
    created_at: datetime
    verified_at: datetime | None
    drilled_at: datetime | None
    size_bytes: int
    text_bytes: int
    sha256: str
    label: str | None
    node: str | None
    database: str
    server: str
    migrations: list[str]
    tables: dict[str, TableOut]
    is_there: bool
    error: str | None


class WorkOut(Schema):
    """The backup that is being taken or proven, or was last; `ended_at` is null while it is at work."""

    what: str
    by: str
    started_at: datetime
    ended_at: datetime | None
    went_well: bool
    message: str


class NewBackup(Closed):
    """What to take."""

    kind: BackupKind = BackupKind.FULL
    label: str | None = Field(None, min_length=1, max_length=LABEL_CHARACTERS)


@router.get("", response=list[BackupOut], summary="The backups of this node")
@needs(Role.ADMIN)
def list_backups(request: HttpRequest) -> list[dict[str, Any]]:
    """The newest first. Restoring one is done on the console: `smart-cron backup restore`."""
    require_all_groups(person_of(request))
    return [_document(each) for each in reversed(keeper(premises_of(request)).everything())]


@router.get("/work", response=WorkOut | None, summary="The backup that is at work, or was last")
@needs(Role.ADMIN)
def backup_work(request: HttpRequest) -> dict[str, Any] | None:
    """Null where none was asked for since this server started."""
    require_all_groups(person_of(request))
    chore = premises_of(request).chores.newest(CHORE)
    if chore is None:
        return None
    return {
        "what": chore.what,
        "by": chore.by,
        "started_at": chore.started_at,
        "ended_at": chore.ended_at,
        "went_well": chore.went_well,
        "message": chore.words,
    }


@router.get("/{backup_id}", response=BackupOut, summary="Show a backup")
@needs(Role.ADMIN)
def show_backup(request: HttpRequest, backup_id: str) -> dict[str, Any]:
    """By its id."""
    return _document(find_backup(premises_of(request), person_of(request), backup_id))


@router.post("", response={202: Said}, summary="Take a backup, and prove it")
@needs(Role.ADMIN)
def create_backup(request: HttpRequest, payload: NewBackup | None = None) -> tuple[int, dict[str, Any]]:
    """It goes on after the answer: `GET /backups/work` tells how it ends."""
    require_all_groups(person_of(request))
    asked = payload or NewBackup(kind=BackupKind.FULL, label=None)
    has_begun = begin_create(premises_of(request), asked.kind, asked.label, actor=actor_of(request))
    return 202, {"changed": has_begun, "message": "It is being taken." if has_begun else BUSY}


@router.post("/{backup_id}/verify", response={202: Said}, summary="Restore a backup for a trial")
@needs(Role.ADMIN)
def verify_backup(request: HttpRequest, backup_id: str) -> tuple[int, dict[str, Any]]:
    """Beside the live tables, and every row compared. `GET /backups/work` tells how it ends."""
    premises = premises_of(request)
    backup = find_backup(premises, person_of(request), backup_id)
    has_begun = begin_verify(premises, backup, actor=actor_of(request))
    return 202, {"changed": has_begun, "message": "It is being proven." if has_begun else BUSY}


def _document(backup: Backup) -> dict[str, Any]:
    return {**as_document(backup), "id": id_of(backup), "name": backup.name, "is_there": backup.is_there}
