"""Runs summed up over a period: what charts and trends are drawn from, so that none of them scans executions.

A sum holds everything that adds up over tasks, nodes and periods, so that hours become days by `merge`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from smart_cron.core.histogram import merged, quantile_within

HOUR = timedelta(hours=1)


class Period(StrEnum):
    """The `period` column: how much time one row covers, and of whom: of a task, or of all together."""

    HOUR = "hour"
    DAY = "day"
    HOUR_TOTAL = "hour_total"
    DAY_TOTAL = "day_total"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollup:
    """The runs that ended in the period that begins at `bucket_at` (UTC). Seconds, bytes and counts.

    `timed_runs` are those whose duration is known, a loss is none; of lateness only the first attempts of slots that
    make up for nothing are counted. Least and most are None where there was nothing to measure.
    """

    bucket_at: datetime
    runs: int = 0
    successes: int = 0
    failures: int = 0
    timed_runs: int = 0
    duration_sum: float = 0.0
    duration_min: float | None = None
    duration_max: float | None = None
    histogram: Mapping[int, int] = field(default_factory=dict)
    lateness_runs: int = 0
    lateness_sum: float = 0.0
    lateness_max: float | None = None
    memory_peak_mb: int | None = None
    cpu_seconds: float = 0.0
    output_bytes: int = 0

    @property
    def duration_p50(self) -> float | None:
        """What half of the runs did not exceed, within 5 %."""
        return quantile_within(self.histogram, 0.5, least=self.duration_min, most=self.duration_max)

    @property
    def duration_p95(self) -> float | None:
        """What 19 of 20 runs did not exceed, within 5 %."""
        return quantile_within(self.histogram, 0.95, least=self.duration_min, most=self.duration_max)

    @property
    def success_rate(self) -> float | None:
        """The share of runs that went well, 0 to 1."""
        return self.successes / self.runs if self.runs else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCounts:
    """How one task's runs of a span went."""

    task_id: int
    task_name: str
    runs: int
    successes: int

    @property
    def success_rate(self) -> float:
        """0 to 1; 0 where nothing ran."""
        return self.successes / self.runs if self.runs else 0.0


def hour_of(instant: datetime) -> datetime:
    """Return the beginning of the hour in UTC that *instant* lies in."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_of(instant: datetime) -> datetime:
    """Return the beginning of the day in UTC that *instant* lies in."""
    return hour_of(instant).replace(hour=0)


def merge(rollups: Iterable[Rollup], *, bucket_at: datetime) -> Rollup:
    """Return the sum of these, of whatever tasks, nodes and periods, as one that begins at *bucket_at*."""
    parts = list(rollups)
    return Rollup(
        bucket_at=bucket_at,
        runs=sum(part.runs for part in parts),
        successes=sum(part.successes for part in parts),
        failures=sum(part.failures for part in parts),
        timed_runs=sum(part.timed_runs for part in parts),
        duration_sum=sum(part.duration_sum for part in parts),
        duration_min=min(_known(part.duration_min for part in parts), default=None),
        duration_max=max(_known(part.duration_max for part in parts), default=None),
        histogram=merged(part.histogram for part in parts),
        lateness_runs=sum(part.lateness_runs for part in parts),
        lateness_sum=sum(part.lateness_sum for part in parts),
        lateness_max=max(_known(part.lateness_max for part in parts), default=None),
        memory_peak_mb=max((part.memory_peak_mb for part in parts if part.memory_peak_mb is not None), default=None),
        cpu_seconds=sum(part.cpu_seconds for part in parts),
        output_bytes=sum(part.output_bytes for part in parts),
    )


def by_day(rollups: Iterable[Rollup]) -> list[Rollup]:
    """Return hours as days in UTC, the earliest first."""
    days: dict[datetime, list[Rollup]] = {}
    for rollup in rollups:
        days.setdefault(day_of(rollup.bucket_at), []).append(rollup)
    return [merge(days[day], bucket_at=day) for day in sorted(days)]


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
