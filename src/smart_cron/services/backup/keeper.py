"""Backups taken, proven, listed and pruned."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from smart_cron.core.alert import Alarm, AlertType, Cause, Severity
from smart_cron.core.backup import (
    LATEST,
    Backup,
    BackupKind,
    BackupReason,
    BackupStatus,
    Contents,
    Drill,
    RefusedBackupError,
    TableSum,
    UnverifiableError,
    file_name,
)
from smart_cron.core.backup_retention import BackupRetention, to_prune
from smart_cron.core.errors import DatabaseError, SmartCronError
from smart_cron.core.ports import Clock, Log
from smart_cron.core.ports.alerts import AlertStore
from smart_cron.core.ports.backups import BackupBook, BackupSource, Scratch
from smart_cron.services.backup.bounded import BoundedText, Bounds, sha256_of
from smart_cron.services.backup.folder import Folder, known_of, open_plainly

SUBTYPE = "backup"
BY = "smart_cron_backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the settings say."""

    node: str
    zone: tzinfo
    bounds: Bounds
    retention: BackupRetention
    drill_every: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Keeps the backups of one database in one folder."""

    source: BackupSource
    book: BackupBook
    alerts: AlertStore
    clock: Clock
    log: Log
    folder: Folder
    rules: Rules

    # Taking ----------------------------------------------------------------------------------------------------

    def create(self, kind: BackupKind, reason: BackupReason, *, label: str | None = None) -> Backup:
        """Take a backup and prove it; return what became of it.

        Raise SmartCronError where none could be taken, which is entered and told, too.
        """
        with self.folder.alone():
            return self.create_alone(kind, reason, label=label)

    def create_alone(self, kind: BackupKind, reason: BackupReason, *, label: str | None = None) -> Backup:
        """Do so where the caller is alone in the folder already."""
        backup = self._begun(kind, reason, label)
        try:
            written = self._written(backup)
        except SmartCronError as fault:
            self._tell(replace(backup, status=BackupStatus.FAILED, error=str(fault), is_there=False))
            raise
        proven = self._proven(written)
        # What is saved before a restore may be what somebody wants to be rid of.
        is_wanted = kind is BackupKind.FULL and reason is not BackupReason.RESTORE
        if is_wanted and proven.status is not BackupStatus.FAILED:
            self.folder.point_at(proven.name)
        return proven

    def _begun(self, kind: BackupKind, reason: BackupReason, label: str | None) -> Backup:
        now = self.clock.now()
        at = now.astimezone(self.rules.zone)
        while not self.folder.is_free(name := file_name(kind, reason, at)):
            at += timedelta(seconds=1)
        return Backup(
            name=name,
            path=str(self.folder.path / name),
            kind=kind,
            reason=reason,
            status=BackupStatus.UNVERIFIED,
            created_at=now,
            label=label,
            node=self.rules.node,
            database=self.source.database,
        )

    def _written(self, backup: Backup) -> Backup:
        with self.folder.writing(backup.name) as writing:
            dumped = self.source.dump(backup.kind.tables, writing.write_text, self.folder.path)
            sha256 = writing.finish()
        written = replace(
            backup,
            server=dumped.server,
            migrations=dumped.migrations,
            tables=dumped.tables or {},
            size_bytes=writing.size_bytes,
            text_bytes=writing.text_bytes,
            sha256=sha256,
            error="nobody has restored it yet.",
        )
        self.folder.note(written)
        return written

    # Proving ---------------------------------------------------------------------------------------------------

    def verify(self, backup: Backup, *, drill: bool = False) -> Backup:
        """Restore a backup for a trial; return what became of it."""
        with self.folder.alone():
            return self._proven(backup, drill=drill)

    def _proven(self, backup: Backup, *, drill: bool = False) -> Backup:
        try:
            contents, done = self._restored_for_trial(backup, drill=drill or self._drill_is_due(backup))
        except UnverifiableError as fault:
            result = replace(self._added_up(backup), status=BackupStatus.UNVERIFIED, error=f"not verified: {fault}")
        except RefusedBackupError as fault:
            result = replace(backup, status=BackupStatus.FAILED, error=str(fault))
        except DatabaseError as fault:
            result = replace(backup, status=BackupStatus.UNVERIFIED, error=f"not verified: {fault}")
        else:
            now = self.clock.now()
            result = replace(
                backup,
                status=BackupStatus.VERIFIED,
                verified_at=now,
                drilled_at=now if done else backup.drilled_at,
                tables=contents.tables,
                migrations=backup.migrations or contents.migrations,
                database=self.source.database,
                error=None,
            )
        self.folder.note(result)
        self._tell(result)
        return result

    def _drill_is_due(self, backup: Backup) -> bool:
        if backup.reason is not BackupReason.DAILY:
            return False
        drilled = [each.drilled_at for each in self.backups() if each.drilled_at is not None]
        return not drilled or self.clock.now() - max(drilled) >= self.rules.drill_every

    def _restored_for_trial(self, backup: Backup, *, drill: bool) -> tuple[Contents, Drill | None]:
        with self.source.scratch(self.folder.path) as scratch:
            contents = self.load(backup, scratch)
            if contents.passed_over:
                raise UnverifiableError("there are no tables of users here to restore those in it into.")
            if not drill:
                return contents, None
            scratch.bring_forward()
            done = scratch.drill(self.clock.now())
            self.log.info(
                "A scheduler was opened on a restored backup",
                backup=backup.name,
                due=done.due,
                next=str(done.next_due_at),
            )
            return contents, done

    def load(self, backup: Backup, scratch: Scratch, *, taking: Collection[str] | None = None) -> Contents:
        """Restore a backup into *scratch* and compare what came of it. Raise RefusedBackupError where that differs.

        *taking* are the tables whose rows are wanted there; all, where none are named.
        """
        with self.opened(backup) as text:
            contents = scratch.load(text, taking=taking)
        _require_same(backup.tables, contents.tables, "in the file and in what it was made from")
        comparable = {name: each for name, each in contents.tables.items() if name in contents.comparable}
        taken = {name: each for name, each in contents.tables.items() if name not in contents.passed_over}
        restored = scratch.sums(list(taken))
        _require_same(comparable, {name: restored[name] for name in comparable}, "in the file and once restored")
        counts = {name: each.rows for name, each in taken.items()}
        _require_counts(counts, {name: each.rows for name, each in restored.items()})
        return contents

    @contextmanager
    def opened(self, backup: Backup) -> Iterator[BoundedText]:
        """Open a backup to be read, its sum checked where one is known. Raise RefusedBackupError where it differs."""
        if backup.database not in ("", self.source.database):
            raise RefusedBackupError(
                f"{backup.name} is of another kind of database, {backup.database}; this is {self.source.database}.",
                remedy="Restore it where it came from, then: smart-cron db move",
            )
        with open_plainly(Path(backup.path)) as file:
            if backup.sha256 and sha256_of(file) != backup.sha256:
                raise RefusedBackupError(f"{backup.name} is damaged: it is not what was written, by its SHA-256.")
            yield BoundedText(file, self._bounds(backup), declared=backup.text_bytes)

    def _bounds(self, backup: Backup) -> Bounds:
        if self.source.database != "sqlite":
            return self.rules.bounds
        # What is restored lies in this folder, and takes about as much as its text.
        room = shutil.disk_usage(self.folder.path).free
        if room < backup.text_bytes:
            raise UnverifiableError(
                f"there is no room to restore it into: {backup.text_bytes:,} bytes are needed, {room:,} are left.",
                remedy=f"Make room in {self.folder.path}.",
            )
        return replace(self.rules.bounds, text_bytes=min(self.rules.bounds.text_bytes, room))

    def _added_up(self, backup: Backup) -> Backup:
        if backup.tables:
            return backup
        with suppress(SmartCronError), self.opened(backup) as text:
            return replace(backup, tables=self.source.look(text).tables)
        return backup

    # Telling ---------------------------------------------------------------------------------------------------

    def _tell(self, backup: Backup) -> None:
        """Enter a backup, and raise or resolve the alert; where the database is gone its absence is told already."""
        if backup.status is BackupStatus.VERIFIED:
            self.log.info("Backup verified", backup=backup.name, bytes=backup.size_bytes)
        else:
            self.log.error(f"Backup {backup.status}", backup=backup.name, reason=backup.error)
        try:
            self.book.enter(backup)
            self._ring(backup)
        except DatabaseError as fault:
            # The server is gone, tables wait for a migration, or this account may only read: the file beside tells it.
            self.log.warning("Backup not entered in the database", backup=backup.name, reason=fault.message)

    def _ring(self, backup: Backup) -> None:
        cause = Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype=SUBTYPE, node=self.rules.node)
        if not backup.is_ours:
            return
        if backup.status is BackupStatus.VERIFIED:
            self.alerts.resolve_causes([cause], by=BY)
            return
        grave = backup.status is BackupStatus.FAILED
        alarm = Alarm(
            cause=cause,
            severity=Severity.CRITICAL if grave else Severity.WARNING,
            message=f"The backup {backup.name} {'failed' if grave else 'is not verified'}: {backup.error}"[:1000],
            details={"backup": backup.name, "reason": str(backup.reason)},
        )
        self.alerts.raise_alarms([alarm])

    # The list --------------------------------------------------------------------------------------------------

    def backups(self) -> list[Backup]:
        """Return what lies in the folder, oldest first."""
        return self.folder.backups(self.rules.zone)

    def everything(self) -> list[Backup]:
        """Return what lies in the folder and what was to be taken and failed, oldest first."""
        there = self.backups()
        names = {backup.path for backup in there}
        failed = [backup for backup in self.book.failed() if backup.path not in names]
        return sorted([*there, *failed], key=lambda backup: (backup.created_at, backup.name))

    def find(self, name: str) -> Backup:
        """Return the backup of this name: a file in the folder, `latest.sql.gz`, or a path. Raise for none."""
        path = self.folder.path / name if "/" not in name else Path(name).absolute()
        if path == self.folder.path / LATEST and path.is_symlink():
            path = self.folder.path / Path(path.readlink()).name
        try:
            return known_of(path, self.rules.zone)
        except OSError:
            raise SmartCronError(
                f"there is no backup '{name}'.", remedy="'smart-cron backup list' shows them all."
            ) from None

    def prunable(self) -> Sequence[Backup]:
        """Return what may be deleted by its age, oldest first."""
        now, zone = self.clock.now(), self.rules.zone
        return to_prune(self.backups(), retention=self.rules.retention, now=now, zone=zone)

    def prune(self) -> Sequence[Backup]:
        """Delete what may be deleted by its age; return it. Old failures are forgotten, too."""
        with self.folder.alone():
            gone = self.prunable()
            for backup in gone:
                self.folder.delete(backup)
                self.book.strike_out(backup.path)
        for backup in self._old_failures():
            self.book.strike_out(backup.path)
        if gone:
            self.log.info("Old backups deleted", count=len(gone))
        return gone

    def _old_failures(self) -> Sequence[Backup]:
        since: datetime = self.clock.now() - self.rules.retention.daily
        return [backup for backup in self.book.failed() if backup.created_at < since]


def _require_same(one: Mapping[str, TableSum], other: Mapping[str, TableSum], where: str) -> None:
    different = [name for name, each in one.items() if other.get(name) != each]
    if different:
        name = different[0]
        ours, theirs = one[name], other.get(name)
        rows = f"{ours.rows} and {theirs.rows if theirs else 0} rows"
        raise RefusedBackupError(f"{name} differs {where} ({rows}).")


def _require_counts(one: dict[str, int], other: dict[str, int]) -> None:
    different = [name for name, rows in one.items() if other.get(name) != rows]
    if different:
        name = different[0]
        raise RefusedBackupError(f"{name} has {one[name]} rows in the file and {other.get(name, 0)} once restored.")
