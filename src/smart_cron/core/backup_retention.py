"""Which backups may go: daily ones after a month, the first proven one of each week and month later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from smart_cron.core.backup import Backup, BackupKind


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRetention:
    """How long each kind is kept."""

    daily: timedelta = timedelta(days=30)
    weekly: timedelta = timedelta(days=90)
    monthly: timedelta = timedelta(days=365)


def to_prune(backups: Sequence[Backup], *, retention: BackupRetention, now: datetime, zone: tzinfo) -> Sequence[Backup]:
    """Return those of *backups* that may be deleted, oldest first.

    Never one that somebody laid into the folder, nor the last proven one of its kind.
    """
    kept = _kept(backups, retention, now, zone)
    return [each for each in _by_age(backups) if each.is_ours and each.name not in kept]


def _kept(backups: Sequence[Backup], retention: BackupRetention, now: datetime, zone: tzinfo) -> set[str]:
    proven = [each for each in _by_age(backups) if each.is_proven]
    fulls = [each for each in proven if each.kind is BackupKind.FULL]
    weeks = _first_of(fulls, lambda each: each.created_at.astimezone(zone).isocalendar()[:2])
    months = _first_of(
        fulls, lambda each: (each.created_at.astimezone(zone).year, each.created_at.astimezone(zone).month)
    )
    young = [
        *(each for each in backups if now - each.created_at <= retention.daily),
        *(each for each in weeks if now - each.created_at <= retention.weekly),
        *(each for each in months if now - each.created_at <= retention.monthly),
    ]
    last = {each.kind: each for each in proven}.values()
    return {each.name for each in (*young, *last)}


def _by_age(backups: Iterable[Backup]) -> list[Backup]:
    return sorted(backups, key=lambda each: (each.created_at, each.name))


def _first_of(backups: Iterable[Backup], period: Callable[[Backup], object]) -> Iterable[Backup]:
    first: dict[object, Backup] = {}
    for each in backups:
        first.setdefault(period(each), each)
    return first.values()
