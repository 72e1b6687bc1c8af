"""`smart_cron_backups`, for whoever asks the database: the port `BackupBook`.

What is beside each file on disk tells the same; after a restore these rows are written anew from there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from smart_cron.core.backup import Backup, BackupKind, BackupReason, BackupStatus, as_document
from smart_cron.store.record_rows import fitting
from smart_cron.store.session import Session

_COLUMNS = (
    "created_at", "completed_at", "backup_type", "reason", "label", "node", "file_path", "file_size_bytes", "sha256",
    "status", "verified", "verified_at", "error_message", "details",
)  # fmt: skip


class Backups:
    """Writes and reads the rows of `smart_cron_backups`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._instant, self._read = session.dialect.instant, session.dialect.read_instant

    def enter(self, backup: Backup) -> None:
        """Write what is known of a backup, over its row where it has one."""
        self._session.again(lambda: self._enter(backup))

    def _enter(self, backup: Backup) -> None:
        values = self._values(backup)
        known = self._session.row("SELECT id FROM smart_cron_backups WHERE file_path = %s", [backup.path])
        if known is None:
            marks = ", ".join(["%s"] * len(_COLUMNS))
            self._session.execute(f"INSERT INTO smart_cron_backups ({', '.join(_COLUMNS)}) VALUES ({marks})", values)
        else:
            sets = ", ".join(f"{column} = %s" for column in _COLUMNS)
            self._session.execute(f"UPDATE smart_cron_backups SET {sets} WHERE id = %s", [*values, known[0]])

    def _values(self, backup: Backup) -> list[object]:
        document = as_document(backup)
        details = {
            name: document[name] for name in ("database", "server", "migrations", "text_bytes", "drilled_at", "tables")
        }
        at = self._instant(backup.created_at)
        return [
            at,
            self._instant(backup.verified_at) if backup.verified_at else at,
            str(backup.kind),
            None if backup.reason is None else str(backup.reason),
            fitting(backup.label and backup.label[:100]),
            backup.node and backup.node[:100],
            fitting(backup.path[:500]),
            backup.size_bytes,
            backup.sha256 or None,
            str(backup.status),
            int(backup.status is BackupStatus.VERIFIED),
            self._instant(backup.verified_at) if backup.verified_at else None,
            fitting(backup.error and backup.error[:1000]),
            json.dumps(details),
        ]

    def strike_out(self, path: str) -> None:
        """Forget a backup whose file is deleted."""
        with self._session.transaction():
            self._session.execute("DELETE FROM smart_cron_backups WHERE file_path = %s", [path])

    def last_proven_at(self) -> datetime | None:
        """Return when the youngest full backup was taken that has been restored since."""
        row = self._session.row(
            "SELECT MAX(created_at) FROM smart_cron_backups WHERE verified <> 0 AND backup_type = 'full'"
        )
        return self._read(row[0]) if row else None

    def something_to_lose_since(self) -> datetime | None:
        """Return when the oldest task was defined."""
        row = self._session.row("SELECT MIN(created_at) FROM smart_cron_tasks_config")
        return self._read(row[0]) if row else None

    def any_taken(self) -> bool:
        """Whether any backup was ever entered."""
        return self._session.row("SELECT 1 FROM smart_cron_backups LIMIT 1") is not None

    def failed(self) -> Sequence[Backup]:
        """Return those that were to be taken and failed, newest first."""
        rows = self._session.rows(
            """SELECT file_path, backup_type, reason, created_at, label, node, error_message FROM smart_cron_backups
             WHERE status = 'failed' ORDER BY created_at DESC, id DESC"""
        )
        return [self._failed(row) for row in rows]

    def _failed(self, row: Sequence[Any]) -> Backup:
        path, kind, reason, created_at, label, node, error = row
        at = self._read(created_at)
        assert at is not None
        return Backup(
            name=str(path).rpartition("/")[2],
            path=str(path),
            kind=BackupKind.CONFIG if kind == "config" else BackupKind.FULL,
            reason=BackupReason(reason) if reason in {str(each) for each in BackupReason} else None,
            status=BackupStatus.FAILED,
            created_at=at,
            label=label,
            node=node,
            error=error,
            is_there=False,
        )
