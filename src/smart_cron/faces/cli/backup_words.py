"""What several commands say of a backup."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from smart_cron.core.backup import Backup, BackupStatus, as_document
from smart_cron.faces.cli.errors import complain, note
from smart_cron.faces.cli.text import counted, size

if TYPE_CHECKING:
    from smart_cron.faces.cli.remote.backups import BackupKeeper
    from smart_cron.wiring import House


def keeper_near(house: House) -> BackupKeeper:
    """Return who keeps the backups of this house, be it elsewhere."""
    if house.is_remote:
        from smart_cron.faces.cli.remote.backups import RemoteBackups
        from smart_cron.faces.cli.remote.house import api_of

        return RemoteBackups(api_of(house))
    from smart_cron.wiring.backups import keeper_of

    return keeper_of(house)


def document(backup: Backup) -> Mapping[str, Any]:
    """Return a backup for `--json`."""
    return {**as_document(backup), "path": backup.path, "is_there": backup.is_there}


def sentence(backup: Backup) -> str:
    """Return what became of a backup."""
    rows = sum(each.rows for each in backup.tables.values())
    what = f"{backup.path} ({size(backup.size_bytes)}, {counted(rows, 'row')})"
    if backup.status is BackupStatus.VERIFIED:
        return f"{what} is verified: restored for a trial, every row the same."
    return f"{what} is {backup.status}."


def judged(backup: Backup) -> int:
    """Say what keeps a backup from counting, and return the exit code."""
    if backup.status is BackupStatus.VERIFIED:
        return 0
    complain(f"{backup.name} is {backup.status}: {backup.error}")
    return 1


def progress(text: str) -> None:
    """Tell a person at a terminal what takes so long."""
    if sys.stderr.isatty():
        note(f"{text} …")
