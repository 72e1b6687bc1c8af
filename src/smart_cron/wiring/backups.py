"""The keeper of this home's backups, built from its settings; and when one is taken by itself."""

from __future__ import annotations

from datetime import timedelta

from smart_cron.config import Config
from smart_cron.core.backup import Backup, BackupKind, BackupReason, BackupStatus
from smart_cron.core.backup_retention import BackupRetention
from smart_cron.core.errors import DatabaseUnavailableError, SmartCronError
from smart_cron.core.zones import zone
from smart_cron.home import require_owner, sqlite_file
from smart_cron.services.backup.bounded import Bounds
from smart_cron.services.backup.folder import Folder
from smart_cron.services.backup.keeper import Keeper, Rules
from smart_cron.wiring import House, open_house


def keeper_of(house: House) -> Keeper:
    """Return what keeps the backups of this house.

    Tables are dumped, made beside the live ones and put in their place by the account that owns them; what became of it
    is entered by the one that runs.
    """
    config, store = house.config, house.store
    return Keeper(
        source=house.owner().backup_source,
        book=store.backups,
        alerts=store.alerts,
        clock=house.clock,
        log=house.log,
        folder=Folder(config.backup_dir, level=config.backup.compression),
        rules=_rules(config),
    )


def _rules(config: Config) -> Rules:
    backup = config.backup
    return Rules(
        node=config.node_name,
        zone=zone(config.time_zone),
        bounds=Bounds(text_bytes=int(backup.max_text_gb * 1e9), ratio=backup.max_ratio),
        retention=BackupRetention(
            daily=timedelta(days=backup.keep_daily_days),
            weekly=timedelta(days=backup.keep_weekly_days),
            monthly=timedelta(days=backup.keep_monthly_days),
        ),
        drill_every=timedelta(days=backup.drill_days),
    )


def prune_backups(house: House, *, dry_run: bool = False) -> list[Backup]:
    """Delete the backups that are old enough, and return them; with *dry_run* only return them."""
    keeper = keeper_of(house)
    return list(keeper.prunable() if dry_run else keeper.prune())


def take_backup(house: House, reason: BackupReason, *, kind: BackupKind = BackupKind.FULL) -> Backup:
    """Take a backup and prove it."""
    return keeper_of(house).create(kind, reason)


def house_to_restore_into(house: House, *, dry_run: bool) -> bool:
    """See that there are tables to restore into, making them where there are none; return whether there were none.

    Raise SmartCronError where the home is another user's, or where the database is damaged, older or newer.
    """
    require_owner(house.config)
    database = house.store.database
    try:
        is_empty = not house.store.session.has_tables()
    except DatabaseUnavailableError as fault:
        file = sqlite_file(house.config)
        if file is None or not file.exists():
            raise
        raise SmartCronError(
            f"{file} cannot be used: {fault.message}",
            remedy=f"End what works with it, move it away (mv {file}* elsewhere), then call this again.",
        ) from None
    if is_empty and not dry_run:
        house.owner().database.migrate()
    elif not is_empty:
        database.check()
        if not dry_run:
            house.owner().session.make_missing_tables()
    return is_empty


def take_first_backup(config: Config) -> str | None:
    """Take the first backup of a home that has none; return a sentence, or None where there is one already."""
    house = open_house(config)
    try:
        keeper = keeper_of(house)
        if keeper.book.any_taken() or keeper.backups():
            return None
        backup = keeper.create(BackupKind.FULL, BackupReason.INITIAL)
    except SmartCronError as fault:
        return f"took no backup: {fault}"
    finally:
        house.close()
    if backup.status is BackupStatus.VERIFIED:
        return f"took the first backup: {backup.path}"
    return f"took the first backup, {backup.path}, which is {backup.status}: {backup.error}"


def save_before_migration(house: House) -> Backup | None:
    """Take a backup of tables that are about to be changed; return it, or None where there is nothing of ours.

    Raise SmartCronError where none could be taken.
    """
    if not house.store.session.has_tables():
        return None
    backup = take_backup(house, BackupReason.MIGRATION)
    if backup.status is BackupStatus.FAILED:
        raise SmartCronError(f"the backup before the migration failed: {backup.error}")
    return backup
