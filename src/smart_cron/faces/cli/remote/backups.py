"""Backups of a server, as commands list, take and prove them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

from smart_cron.core.backup import LATEST, Backup, BackupKind, BackupReason, from_document
from smart_cron.core.errors import SmartCronError
from smart_cron.faces.cli.remote.client import Api

LOOK_AGAIN_SECONDS = 1.0


class BackupKeeper(Protocol):
    """Who keeps the backups, here or elsewhere."""

    def everything(self) -> list[Backup]:
        """Return what lies in the folder and what failed, oldest first."""

    def backups(self) -> list[Backup]:
        """Return what lies in the folder, oldest first."""

    def find(self, name: str) -> Backup:
        """Return the backup of this name. Raise SmartCronError for none."""

    def create(self, kind: BackupKind, reason: BackupReason, *, label: str | None = None) -> Backup:
        """Take one and prove it."""

    def verify(self, backup: Backup, *, drill: bool = False) -> Backup:
        """Restore it for a trial, and return it as it is known now."""


class RemoteBackups:
    """The backups of a server's node. What takes long goes on there, however this ends."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def everything(self) -> list[Backup]:
        """Return what lies in the folder and what failed, oldest first."""
        return [_backup(row) for row in reversed(self._rows())]

    def backups(self) -> list[Backup]:
        """Return what lies in the folder, oldest first."""
        return [backup for backup in self.everything() if backup.is_there]

    def find(self, name: str) -> Backup:
        """Return the backup of this name, or the latest. Raise SmartCronError for none."""
        named = [backup for backup in self.backups() if name in (backup.name, LATEST)]
        if not named:
            raise SmartCronError(f"there is no backup '{name}'.", remedy="'smart-cron backup list' shows them all.")
        return named[-1]

    def create(self, kind: BackupKind, reason: BackupReason, *, label: str | None = None) -> Backup:
        """Take one and prove it. Raise SmartCronError where it could not be taken."""
        del reason
        before = {backup.name for backup in self.everything()}
        self._see_through(self._api.post("/backups", {"kind": str(kind), "label": label}))
        fresh = [backup for backup in self.everything() if backup.name not in before]
        if not fresh:
            raise SmartCronError(self._api.get("/backups/work")["message"])
        return fresh[-1]

    def verify(self, backup: Backup, *, drill: bool = False) -> Backup:
        """Restore it for a trial, and return it as it is known now."""
        if drill:
            raise SmartCronError("a drill is held on the machine itself.", remedy="Leave --server out, there.")
        numbers = {row["name"]: row["id"] for row in self._rows()}
        self._see_through(self._api.post(f"/backups/{numbers[backup.name]}/verify"))
        return self.find(backup.name)

    def _rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._api.get("/backups")
        return found

    def _see_through(self, said: Mapping[str, Any]) -> None:
        if not said["changed"]:
            raise SmartCronError(said["message"])
        while (work := self._api.get("/backups/work")) and work["ended_at"] is None:
            time.sleep(LOOK_AGAIN_SECONDS)
        if not work:
            raise SmartCronError(
                "the server was started anew meanwhile, and no longer knows of it.",
                remedy="'smart-cron backup list' shows what became of it.",
            )


def _backup(row: Mapping[str, Any]) -> Backup:
    return from_document({**row, "file": row["name"]}, path=row["name"])
