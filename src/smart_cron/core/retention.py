"""What may go, when, and how much of it at a time. Pure: instants, numbers of rows and names of files are handed in."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

# A file without a row may be that of a run whose row is on its way.
ORPHAN_AGE = timedelta(days=1)
# What the database's own clean-up, which knows no settings, keeps of each task.
SERVER_KEEPS_RUNS = 100
LOGS = ("master", "health", "cleanup")
_LOG = re.compile(rf"(?P<kind>{'|'.join(LOGS)})-(?P<day>\d{{4}}-\d\d-\d\d)\.log(?P<packed>\.gz)?", re.ASCII)
_SMALLEST, _LARGEST = 4, 2_000
# Of what a transaction may hold, so much is aimed at: the disk is not always as fast as it was a moment ago.
_SHARE = 0.4
# So much of it the work before the COMMIT may take in any case. How long a disk takes to sync has little to do with
# the number of rows: with ever fewer of them there would be more syncs, and hardly shorter ones.
_SHARE_OF_WORK = 0.06


class OldRows(StrEnum):
    """Tables, or kinds of rows in one, whose rows go by their age alone."""

    SKIPPED_SLOTS = "skipped_slots"
    HEALTH_CHECKS = "health_checks"
    ALERTS = "alerts"
    DELIVERIES = "deliveries"
    RATE_LIMITS = "rate_limits"
    NODE_SAMPLES = "node_samples"
    HOURLY_METRICS = "hourly_metrics"
    DAILY_METRICS = "daily_metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long everything is kept. An age of None is for ever; `keep_runs` newest runs of each task always stay.

    `output_budget` bounds the bytes of all output files of a node; None does not.
    """

    executions: timedelta | None
    keep_runs: int
    output: timedelta | None
    output_budget: int | None
    rows: Mapping[OldRows, timedelta | None]
    compress_logs: timedelta | None
    logs: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OldRun:
    """An execution that ended long ago."""

    id: int
    task_id: int


def disposable(runs: Iterable[OldRun], floors: Mapping[int, int]) -> list[int]:
    """Return the numbers of the runs that may go: those below their task's floor, which is its oldest run to keep.

    A task without a floor has fewer runs than are kept of each, so all of them stay.
    """
    return [run.id for run in runs if run.id < floors.get(run.task_id, 0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many rows the next transaction takes, and how long the breath after it is.

    `limit` is how long a transaction may hold its locks. Each is measured, and the next one made as large as fits: a
    table with wide rows or a slow disk is met with few rows, a fast one with many.
    """

    limit: timedelta
    least_pause: timedelta = timedelta()
    rows: int = 10
    pause: timedelta = timedelta()

    def after(self, *, rows: int, held: timedelta, worked: timedelta) -> Pace:
        """Return the pace after a transaction that took so many rows and held its locks for so long.

        *worked* is the part of that before its COMMIT.
        """
        # What was held is given back: whoever waits gets as much of the database as the clean-up does.
        pause = max(self.least_pause, held)
        if not rows:
            return replace(self, pause=pause)
        fitting = max(self._fitting(_SHARE, rows, held), self._fitting(_SHARE_OF_WORK, rows, worked))
        # By half of the way up, since a first fast one proves little, and all the way down.
        return replace(self, rows=min(max(min(fitting, 2 * self.rows), _SMALLEST), _LARGEST), pause=pause)

    def _fitting(self, share: float, rows: int, took: timedelta) -> int:
        return math.floor(share * self.limit.total_seconds() / max(took.total_seconds(), 1e-6) * rows)


class LogFate(StrEnum):
    """What becomes of a day's log."""

    STAYS = "stays"
    IS_COMPRESSED = "is compressed"
    GOES = "goes"


def log_fate(name: str, *, today: date, retention: Retention) -> LogFate:
    """Return what becomes of a file of the log folder; one that is no day's log of ours stays, whatever it is."""
    found = _LOG.fullmatch(name)
    day = _day(found["day"]) if found else None
    if found is None or day is None:
        return LogFate.STAYS
    if found["packed"]:
        return LogFate.GOES if _is_past(day, today, retention.logs) else LogFate.STAYS
    return LogFate.IS_COMPRESSED if _is_past(day, today, retention.compress_logs) else LogFate.STAYS


def _is_past(day: date, today: date, age: timedelta | None) -> bool:
    return age is not None and today - day > age


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
