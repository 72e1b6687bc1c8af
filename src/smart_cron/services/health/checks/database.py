"""Does the database answer, and how soon."""

from __future__ import annotations

import time
from pathlib import Path

from smart_cron.core.errors import SmartCronError
from smart_cron.core.health import CheckStatus, Finding, Threshold
from smart_cron.core.ports import Database
from smart_cron.services.health.looking import DATABASE

NAME = DATABASE
# The quickest of several answers: how soon the database can, not how busy this machine is for a moment.
ASKED = 3


def look(database: Database, threshold: Threshold, *, file: Path | None = None) -> Finding:
    """Ask it for the time. *file* is SQLite's: looking must not make an empty one in its place."""
    if file is not None and not file.exists():
        return Finding(
            check=NAME,
            status=CheckStatus.CRITICAL,
            message=f"the database file {file} is not there.",
            remedy="Restore it from a backup, or 'smart-cron init' for a new one.",
        )
    try:
        milliseconds = min(_timed(database) for _ in range(ASKED))
    except SmartCronError as error:
        remedy = error.remedy or "See that its server runs; tasks go on, and results are kept on disk until it is back."
        return Finding(check=NAME, status=CheckStatus.CRITICAL, message=error.message, remedy=remedy)
    return judge(milliseconds, threshold)


def judge(milliseconds: float, threshold: Threshold) -> Finding:
    """Return what is to be said of a database that answers within so many milliseconds."""
    status = threshold.judge(milliseconds)
    slow = status is not CheckStatus.OK
    return Finding(
        check=NAME,
        status=status,
        message=f"the database answers {'only ' if slow else ''}within {max(1, milliseconds):.0f} ms.",
        remedy="Look at what else it does, and at the network between; slots start late while it is slow."
        if slow
        else "",
        measured=round(milliseconds, 3),
        threshold=threshold.crossed(milliseconds),
        unit=threshold.unit,
    )


def _timed(database: Database) -> float:
    database.now()  # Connects, where that has not happened yet.
    began = time.monotonic()
    database.now()
    return (time.monotonic() - began) * 1000
