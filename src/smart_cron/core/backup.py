"""Backups as values: what kinds there are, how their files are named, and what is known of each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from smart_cron.core.errors import SmartCronError

# Every table of ours, in the order in which a backup holds them. A test holds this against the models.
TABLES = (
    "smart_cron_tasks_config",
    "smart_cron_ping_checks",
    "smart_cron_task_revisions",
    "smart_cron_executions",
    "smart_cron_skipped_slots",
    "smart_cron_alerts",
    "smart_cron_audit_log",
    "smart_cron_audit_head",
    "smart_cron_health_checks",
    "smart_cron_metrics",
    "smart_cron_rate_limits",
    "smart_cron_backups",
    "smart_cron_deliveries",
    "smart_cron_node_samples",
    "smart_cron_nodes",
    "smart_cron_holds",
)
# What people define: the specification's own table, and jobs elsewhere that report here.
CONFIG_TABLES = TABLES[:2]
# Where the audit log ends stands in a table of its own: they are restored together or not at all.
AUDIT = TABLES[6:8]
# Who may log in: users, API keys, logins elsewhere, what was asked for once, mail addresses and second factors. These
# tables are there once something listened here, and are made by migrations of their own (LOGIN_APPS). In the order of
# their references: what a row names stands in a table before its own. Sessions are none of them: a login does not
# outlive a restore.
ACCOUNTS = (
    "smart_cron_users",
    "smart_cron_api_keys",
    "smart_cron_identities",
    "smart_cron_once_keys",
    "account_emailaddress",
    "account_emailconfirmation",
    "mfa_authenticator",
)
USERS = ACCOUNTS[0]
LOGIN_APPS = ("smart_cron_people", "account", "mfa")
# What says which version made the tables; it may be shared with other programs, so only our rows of it are ours.
VERSIONS = "django_migrations"
LATEST = "latest.sql.gz"
SUFFIX = ".sql.gz"
_NAME = re.compile(r"(config-|manual-)?backup-([0-9]{8}-[0-9]{6})\.sql\.gz", re.ASCII)


class BackupKind(StrEnum):
    """What it holds, in `backup_type`."""

    FULL = "full"
    CONFIG = "config"

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that one of this kind holds."""
        return (*TABLES, *ACCOUNTS) if self is BackupKind.FULL else CONFIG_TABLES


class BackupReason(StrEnum):
    """Why it was taken; what a person laid into the folder has none."""

    INITIAL = "initial"
    DAILY = "daily"
    MANUAL = "manual"
    RESTORE = "restore"
    MIGRATION = "migration"


class BackupStatus(StrEnum):
    """How far it can be counted on. `unverified` is whole, and nobody has restored it; the reason says why not."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    FAILED = "failed"


class RefusedBackupError(SmartCronError):
    """A file that is not restored from, or a backup that cannot be made, with the line where that shows."""

    def __init__(self, reason: str, *, line: int | None = None, remedy: str = "") -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}", remedy=remedy)
        self.line = line


class UnverifiableError(SmartCronError):
    """Nothing is wrong with the backup as far as anybody knows, but this account cannot restore it anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSum:
    """How many rows a table has, and a sum over them that does not depend on their order."""

    rows: int
    checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dumped:
    """A dump that was taken: of what server, and its sums where they come from the same moment of the database.

    Without such sums (None) those of the text itself have to do: no other session can look at what it was made from.
    """

    server: str
    migrations: tuple[str, ...]
    tables: Mapping[str, TableSum] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a file was found to hold: rows of our tables, the migrations that made them, and what is not ours.

    `comparable` are tables whose rows are written as the dump of a restored copy would write them; `passed_over` those
    that were read and not restored.
    """

    tables: Mapping[str, TableSum]
    migrations: tuple[str, ...]
    foreign: tuple[str, ...] = ()
    comparable: frozenset[str] = frozenset()
    passed_over: frozenset[str] = frozenset()

    @property
    def holds_accounts(self) -> bool:
        """Whether somebody may log in by what it holds."""
        return USERS in self.tables and self.tables[USERS].rows > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """What a scheduler on the restored tables would do: how many tasks are due, and when the next one is."""

    due: int
    next_due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One backup file. `name` is that of the file within the folder, `path` where it is.

    `database` is the dialect that can read it; `tables` are the sums that its rows had when it was made; `text_bytes`
    is its size unpacked. What is not known of a file that somebody laid there is None or empty.
    """

    name: str
    path: str
    kind: BackupKind
    reason: BackupReason | None
    status: BackupStatus
    created_at: datetime
    label: str | None = None
    node: str | None = None
    database: str = ""
    server: str = ""
    migrations: Sequence[str] = ()
    size_bytes: int = 0
    text_bytes: int = 0
    sha256: str = ""
    tables: Mapping[str, TableSum] = field(default_factory=dict)
    verified_at: datetime | None = None
    drilled_at: datetime | None = None
    error: str | None = None
    is_there: bool = True

    @property
    def is_ours(self) -> bool:
        """Whether we made it; what somebody laid there is never pruned."""
        return self.reason is not None

    @property
    def is_proven(self) -> bool:
        """Whether it has been restored, and is still there."""
        return self.status is BackupStatus.VERIFIED and self.is_there


def file_name(kind: BackupKind, reason: BackupReason, at: datetime) -> str:
    """Return the specification's name for a backup that is begun at this local time."""
    prefix = "config-" if kind is BackupKind.CONFIG else "manual-" if reason is BackupReason.MANUAL else ""
    return f"{prefix}backup-{at:%Y%m%d-%H%M%S}{SUFFIX}"


def begun_at(name: str, zone: Any) -> datetime | None:
    """Return when a file of this name was begun, or None for a name that is none of the specification's."""
    found = _NAME.fullmatch(name)
    try:
        return datetime.strptime(found[2], "%Y%m%d-%H%M%S").replace(tzinfo=zone) if found else None
    except ValueError:
        return None


def kind_of(name: str) -> BackupKind:
    """Return what a file of this name holds, as far as the name tells."""
    return BackupKind.CONFIG if name.startswith("config-backup") else BackupKind.FULL


def as_document(backup: Backup) -> dict[str, Any]:
    """Return what stands in the file beside a backup, as JSON takes it."""
    return {
        "file": backup.name,
        "sha256": backup.sha256,
        "size_bytes": backup.size_bytes,
        "text_bytes": backup.text_bytes,
        "kind": str(backup.kind),
        "reason": None if backup.reason is None else str(backup.reason),
        "label": backup.label,
        "node": backup.node,
        "created_at": backup.created_at.isoformat(),
        "database": backup.database,
        "server": backup.server,
        "migrations": list(backup.migrations),
        "status": str(backup.status),
        "verified_at": _written(backup.verified_at),
        "drilled_at": _written(backup.drilled_at),
        "error": backup.error,
        "tables": {name: {"rows": each.rows, "checksum": each.checksum} for name, each in backup.tables.items()},
    }


def from_document(document: Mapping[str, Any], *, path: str) -> Backup:
    """Return the backup that such a document tells of. Raise ValueError for one that is none, whoever wrote it."""
    try:
        return _told_by(document, path)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{path}: {error!r}") from None


def _told_by(document: Mapping[str, Any], path: str) -> Backup:
    return Backup(
        name=str(document["file"]),
        path=path,
        kind=BackupKind(document["kind"]),
        reason=None if document["reason"] is None else BackupReason(document["reason"]),
        status=BackupStatus(document["status"]),
        created_at=_instant(document["created_at"]),
        label=_text(document["label"]),
        node=_text(document["node"]),
        database=str(document["database"]),
        server=str(document["server"]),
        migrations=tuple(map(str, document["migrations"])),
        size_bytes=int(document["size_bytes"]),
        text_bytes=int(document["text_bytes"]),
        sha256=str(document["sha256"]),
        tables={
            str(name): TableSum(rows=int(each["rows"]), checksum=str(each["checksum"]))
            for name, each in document["tables"].items()
        },
        verified_at=_read(document["verified_at"]),
        drilled_at=_read(document["drilled_at"]),
        error=_text(document["error"]),
    )


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _read(text: str | None) -> datetime | None:
    return None if text is None else _instant(text)


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} is in no zone")
    return at


def _text(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
