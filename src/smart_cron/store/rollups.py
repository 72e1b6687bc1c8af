"""Runs summed up by task, node and hour as they are recorded. The port `RollupStore`.

Whoever settles a run holds its task's row (or, on SQLite, the whole database) until the commit, so nobody else adds to
the task's sums meanwhile: they can be read, and what is not a sum merged, without a cache that could go stale. What
is there is updated by its id, the rest inserted: InnoDB would lock gaps for an upsert, and masters deadlock in them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from smart_cron.core.histogram import from_text, to_text
from smart_cron.core.rollup import Period, Rollup, TaskCounts, day_of, hour_of, merge
from smart_cron.core.run import Settlement
from smart_cron.store.bulk import InsertEach, UpdateEach, placeholders
from smart_cron.store.dialects import FLOAT, INSTANT, INT, TEXT
from smart_cron.store.rollup_sums import Key, summed
from smart_cron.store.session import Session
from smart_cron.store.total_gate import reopen

BUCKET = "smart_cron_metrics_bucket"
_SUMS = (
    ("runs", INT),
    ("successes", INT),
    ("failures", INT),
    ("timed_runs", INT),
    ("duration_sum", FLOAT),
    ("lateness_runs", INT),
    ("lateness_sum", FLOAT),
    ("cpu_seconds", FLOAT),
    ("output_bytes", INT),
)
_MOST = (("duration_max", FLOAT), ("lateness_max", FLOAT), ("memory_peak_mb", INT))
_MERGED = (("duration_p50", FLOAT), ("duration_p95", FLOAT), ("duration_histogram", TEXT))
VALUES = (("task_name", TEXT), *_SUMS, ("duration_min", FLOAT), *_MOST, *_MERGED)
_ADD = UpdateEach(
    table="smart_cron_metrics",
    columns=(("id", INT), *VALUES),
    sets=", ".join(
        [
            "task_name = {task_name}",
            *(f"{name} = t.{name} + {{{name}}}" for name, _ in _SUMS),
            *(
                f"{name} = CASE WHEN t.{name} {sign} {{{name}}} THEN t.{name} ELSE COALESCE({{{name}}}, t.{name}) END"
                for name, sign in (("duration_min", "<="), *((name, ">=") for name, _ in _MOST))
            ),
            *(f"{name} = COALESCE({{{name}}}, t.{name})" for name, _ in _MERGED),
        ]
    ),
    where="t.id = {id}",
)
OPEN = InsertEach(
    table="smart_cron_metrics",
    columns=(("period", TEXT), ("bucket_at", INSTANT), ("task_id", INT), ("node", TEXT), *VALUES),
)
READ = (
    "bucket_at",
    *(name for name, _ in _SUMS),
    "duration_min",
    *(name for name, _ in _MOST),
    "duration_histogram",
)
TOTALS = ", ".join(
    [
        *(f"SUM({name})" for name, _ in _SUMS),
        "MIN(duration_min)",
        *(f"MAX({name})" for name, _ in _MOST),
    ]
)
_READ_SUMS: Sequence[tuple[str, type]] = tuple((name, int if kind == INT else float) for name, kind in _SUMS)
# Old hours were made into days: a span that reaches so far back meets both, and no run in two of them.
SUMMED = "period IN ('hour', 'day')"
# Of which people want to hear: as for anomalies of single runs.
_WATCHED = """ AND task_id IN (SELECT id FROM smart_cron_tasks_config
              WHERE enabled <> 0 AND alert_on_failure <> 0 AND anomaly_tolerance > 0)"""
_NOTHING = (None, None, None)


class Rollups:
    """Adds outcomes to `smart_cron_metrics`, in the caller's transaction; reads them for charts and trends."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._instant, self._read_instant = session.dialect.instant, session.dialect.read_instant
        # SQLite has the constraint's index by no name of ours, and takes it by itself.
        index = session.dialect.force_index(BUCKET) if session.dialect.name == "mysql" else ""
        self._by_bucket = f"smart_cron_metrics{index}"

    def add(self, settlements: Sequence[Settlement]) -> None:
        """Count these outcomes: where their tasks are locked, as settling does."""
        sums = summed(settlements)
        if not sums:
            return
        there = self._rows_of(sums)
        known, fresh = [], []
        for key in sorted(sums):
            number, *before = there.get(key, (None, *_NOTHING))
            row = sums[key].row(before)
            if number is None:
                fresh.append(row | self._identity(key))
            else:
                row["id"] = number
                known.append(row)
        _ADD.run(self._session, known)
        OPEN.run(self._session, fresh)
        this_hour = hour_of(datetime.now(UTC))
        if over := {hour for _, hour, _ in sums if hour < this_hour}:
            self._session.defer(self._reopen, over)

    def _reopen(self, hours: Sequence[Collection[datetime]]) -> None:
        reopen(self._session, {at for each in hours for at in each})

    def _identity(self, key: Key) -> dict[str, object]:
        task_id, hour, node = key
        return {"period": Period.HOUR.value, "bucket_at": self._instant(hour), "task_id": task_id, "node": node}

    def _rows_of(self, keys: Collection[Key]) -> dict[tuple[object, ...], Sequence[Any]]:
        """Return id, least, most and histogram of the rows of these tasks and hours that are there."""
        tasks, hours = sorted({key[0] for key in keys}), sorted({key[1] for key in keys})
        rows = self._session.rows(
            f"""SELECT task_id, bucket_at, node, id, duration_min, duration_max, duration_histogram
              FROM {self._by_bucket}
             WHERE task_id IN ({placeholders(tasks)}) AND period = 'hour' AND bucket_at IN ({placeholders(hours)})""",
            [*tasks, *map(self._instant, hours)],
        )
        read = {bucket_at: self._read_instant(bucket_at) for bucket_at in {row[1] for row in rows}}
        return {(row[0], read[row[1]], row[2]): row[3:] for row in rows}

    def series(self, *, task_id: int, since: datetime, until: datetime) -> list[Rollup]:
        """Return the hours of a task, the earliest first; hours without a run are left out.

        Of a past that was made into days a day stands as its first hour.
        """
        rows = self._session.rows(
            f"""SELECT {", ".join(READ)} FROM smart_cron_metrics
             WHERE task_id = %s AND {SUMMED} AND bucket_at >= %s AND bucket_at < %s""",
            [task_id, *self._span(since, until)],
        )
        hours: dict[datetime, list[Rollup]] = {}
        for row in rows:
            rollup = rollup_of(self._session, row)
            hours.setdefault(rollup.bucket_at, []).append(rollup)
        return [merge(hours[hour], bucket_at=hour) for hour in sorted(hours)]

    def counts_by_task(self, *, since: datetime, until: datetime, watched_only: bool = False) -> Sequence[TaskCounts]:
        """Return how the runs of each task, or of those that are watched, went in the hours of the span."""
        rows = self._session.rows(
            f"""SELECT task_id, MAX(task_name), SUM(runs), SUM(successes) FROM smart_cron_metrics
             WHERE {SUMMED} AND bucket_at >= %s AND bucket_at < %s{_WATCHED if watched_only else ""}
             GROUP BY task_id ORDER BY task_id""",
            self._span(since, until),
        )
        return [
            TaskCounts(task_id=task_id, task_name=name, runs=int(runs), successes=int(successes))
            for task_id, name, runs, successes in rows
        ]

    def _span(self, since: datetime, until: datetime) -> list[object]:
        return [self._instant(since), self._instant(until)]


def rollup_of(session: Session, row: Sequence[Any]) -> Rollup:
    """Return what a row of the columns `READ` says."""
    bucket_at = session.dialect.read_instant(row[0])
    assert bucket_at is not None
    # Sums of integers come as decimals from some databases.
    sums: dict[str, Any] = {name: kind(value) for (name, kind), value in zip(_READ_SUMS, row[1:10], strict=True)}
    return Rollup(
        bucket_at=bucket_at,
        **sums,
        duration_min=row[10],
        duration_max=row[11],
        lateness_max=row[12],
        memory_peak_mb=row[13],
        histogram=from_text(row[14]),
    )


def values_of(sums: Rollup) -> dict[str, object]:
    """Return the columns of such a row that are figures."""
    known = {name: getattr(sums, name) for name, _ in VALUES if hasattr(sums, name)}
    return known | {"duration_histogram": to_text(sums.histogram) or None}


def forget_lost(session: Session, execution_id: int) -> None:
    """Take a loss back that another node had guessed, since the run's own node knows better; the task is locked."""
    row = session.row("SELECT task_id, completed_at, node FROM smart_cron_executions WHERE id = %s", [execution_id])
    completed_at = session.dialect.read_instant(row[1]) if row else None
    if row is None or completed_at is None:
        return
    # The clean-up may have made a day of the hour meanwhile.
    for period, bucket_at in ((Period.HOUR, hour_of(completed_at)), (Period.DAY, day_of(completed_at))):
        if session.execute(
            """UPDATE smart_cron_metrics SET runs = runs - 1, failures = failures - 1
             WHERE task_id = %s AND period = %s AND bucket_at = %s AND node = %s AND runs > 0 AND failures > 0""",
            [row[0], period.value, session.dialect.instant(bucket_at), row[2] or ""],
        ):
            reopen(session, {hour_of(completed_at)})
            return


def lateness_since(session: Session, since: datetime) -> tuple[int, float, float | None]:
    """Return of the hours from *since* on how many runs' lateness is known, its sum and the largest, in seconds."""
    row = session.row(
        """SELECT SUM(lateness_runs), SUM(lateness_sum), MAX(lateness_max) FROM smart_cron_metrics
         WHERE period = 'hour' AND bucket_at >= %s""",
        [session.dialect.instant(since)],
    )
    runs, total, largest = row or (None, None, None)
    return int(runs or 0), float(total or 0.0), largest
