"""The keeper of this home's backups, built from its settings; and when one is taken by itself."""

from __future__ import annotations

from datetime import timedelta

from smart_cron.config import Config
from smart_cron.core.backup import Backup, BackupKind, BackupReason
from smart_cron.core.backup_retention import BackupRetention
from smart_cron.core.zones import zone
from smart_cron.services.backup.bounded import Bounds
from smart_cron.services.backup.folder import Folder
from smart_cron.services.backup.keeper import Keeper, Rules
from smart_cron.wiring import House


def keeper_of(house: House) -> Keeper:
    """Return what keeps the backups of this house."""
    config, store = house.config, house.store
    return Keeper(
        source=store.backup_source,
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
