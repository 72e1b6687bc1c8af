"""How old is the last backup that has been restored for a trial."""

from __future__ import annotations

from datetime import datetime

from smart_cron.core.health import CheckStatus, Finding, Threshold
from smart_cron.core.ports.backups import BackupBook
from smart_cron.services.health.checks.words import span

NAME = "backup_age"
REMEDY = "Take one and read what it says: smart-cron backup create"


def look(book: BackupBook, threshold: Threshold, *, now: datetime) -> Finding:
    """Ask when it was taken; where there is none, since when there is something to lose."""
    return judge(book.last_proven_at(), threshold, now=now, since=book.something_to_lose_since())


def judge(taken_at: datetime | None, threshold: Threshold, *, now: datetime, since: datetime | None) -> Finding:
    """Return what is to be said of a backup that was taken then. *threshold* is in hours."""
    begun = taken_at or since
    if begun is None:
        return Finding(check=NAME, status=CheckStatus.OK, message="there is no task yet that could be lost.")
    hours = max(0.0, (now - begun).total_seconds() / 3600)
    status, age = threshold.judge(hours), span(hours * 3600)
    told = (
        f"the last proven backup is {age} old." if taken_at else f"no backup was proven in the {age} of the first task."
    )
    return Finding(
        check=NAME,
        status=status,
        message=told,
        remedy="" if status is CheckStatus.OK else REMEDY,
        measured=round(hours, 2),
        threshold=threshold.crossed(hours),
        unit=threshold.unit,
    )
