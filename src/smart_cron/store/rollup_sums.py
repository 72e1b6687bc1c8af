"""What one batch of outcomes adds to the rows of `smart_cron_metrics`; reckoned for each run, and so kept cheap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from smart_cron.core.histogram import bucket_of, from_text, quantiles_within, to_text
from smart_cron.core.rollup import hour_of
from smart_cron.core.run import Settlement, Status
from smart_cron.store.record_rows import MEGABYTE

# Task, hour and node.
Key = tuple[int, datetime, str]
_SHARES = (0.5, 0.95)
_NO_DURATIONS = dict.fromkeys(("duration_min", "duration_max", "duration_p50", "duration_p95", "duration_histogram"))


@dataclass(slots=True)
class Sum:
    """What one batch adds to one row."""

    task_name: str
    runs: int = 0
    successes: int = 0
    durations: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    memory_peak_mb: int | None = None
    cpu_seconds: float = 0.0
    output_bytes: int = 0

    def add(self, settlement: Settlement) -> None:
        """Count one outcome. Of a lost run nothing is known but that: its own node may yet say better."""
        run, end = settlement.run, settlement.end
        self.task_name = run.task_name
        self.runs += 1
        self.successes += settlement.success
        if settlement.status is Status.LOST or end.started_at is None:
            return
        self.durations.append(end.duration)
        if run.scheduled_for is not None and run.attempt == 1 and not run.is_catch_up:
            self.lateness.append(max(0.0, (end.started_at - run.scheduled_for).total_seconds()))
        self.cpu_seconds += end.cpu_seconds or 0.0
        self.output_bytes += end.stdout_bytes + end.stderr_bytes
        if end.memory_peak_bytes is not None:
            self.memory_peak_mb = max(self.memory_peak_mb or 0, -(-end.memory_peak_bytes // MEGABYTE))

    def row(self, before: Sequence[Any]) -> dict[str, object]:
        """Return the values to add; *before* is least, most and histogram of the row as it stands."""
        return {
            "task_name": self.task_name,
            "runs": self.runs,
            "successes": self.successes,
            "failures": self.runs - self.successes,
            "timed_runs": len(self.durations),
            "duration_sum": sum(self.durations),
            "lateness_runs": len(self.lateness),
            "lateness_sum": sum(self.lateness),
            "lateness_max": max(self.lateness) if self.lateness else None,
            "memory_peak_mb": self.memory_peak_mb,
            "cpu_seconds": self.cpu_seconds,
            "output_bytes": self.output_bytes,
            **(self._durations(before) if self.durations else _NO_DURATIONS),
        }

    def _durations(self, before: Sequence[Any]) -> dict[str, object]:
        histogram = from_text(None if before[2] is None else str(before[2]))
        for bucket in map(bucket_of, self.durations):
            histogram[bucket] = histogram.get(bucket, 0) + 1
        shortest = min([*self.durations, *_finite(before[0])])
        longest = max([*self.durations, *_finite(before[1])])
        median, p95 = quantiles_within(histogram, _SHARES, least=shortest, most=longest)
        return {
            "duration_min": shortest,
            "duration_max": longest,
            "duration_p50": median,
            "duration_p95": p95,
            "duration_histogram": to_text(histogram),
        }


def _finite(value: object) -> tuple[float, ...]:
    """Return a number of the row as it stands; what somebody wrote there and is none counts as nothing."""
    return (float(value),) if isinstance(value, int | float) and math.isfinite(value) else ()


def summed(settlements: Sequence[Settlement]) -> dict[Key, Sum]:
    """Return what these outcomes add to each row."""
    sums: dict[Key, Sum] = {}
    for settlement in settlements:
        if not settlement.counts:
            continue
        run = settlement.run
        key = (run.task_id, hour_of(settlement.end.completed_at), run.node or "")
        found = sums.get(key)
        if found is None:
            found = sums[key] = Sum(run.task_name)
        found.add(settlement)
    return sums
