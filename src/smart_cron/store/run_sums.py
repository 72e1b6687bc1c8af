"""What the hourly sums say of the runs of a filter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from smart_cron.core.histogram import from_text, merged
from smart_cron.core.rollup import HOUR, Rollup, hour_of, merge
from smart_cron.core.run_filter import RunFilter
from smart_cron.store.rollups import SUMMED, TOTALS, rollup_of
from smart_cron.store.run_ways import Condition, all_of, within_groups
from smart_cron.store.session import Session
from smart_cron.store.totals import Covered, Totals

# So many hours of all tasks may be summed up from the rows of each task, and of the end of a span so many are.
FEW_HOURS = 3 * HOUR
LAST_HOURS = 2 * HOUR


class RunSums:
    """Reads sums by task, node and groups. Who is let near a group sees what its tasks of today ever summed up."""

    def __init__(self, session: Session) -> None:
        self._session, self._totals = session, Totals(session)
        self._instant = session.dialect.instant

    def sums(self, wanted: RunFilter, *, since: datetime, until: datetime) -> Rollup:
        """Return the sum of the hours of the span for the filter's task, node and groups; without a histogram."""
        known = self._totals_for(wanted, since, until)
        rest = [self._read(wanted, begin, end) for begin, end in known.gaps]
        return replace(merge([*known.rollups, *rest], bucket_at=hour_of(since)), histogram={})

    def histogram(self, wanted: RunFilter, *, since: datetime, until: datetime) -> Mapping[int, int]:
        """Return how the durations of these hours are spread; see `spread_since` for what it costs."""
        known = self._totals_for(wanted, since, until)
        rest = [self._spread(wanted, begin, end) for begin, end in known.gaps]
        return merged([*(each.histogram for each in known.rollups), *rest])

    def spread_since(self, wanted: RunFilter, *, since: datetime, until: datetime) -> datetime:
        """Return from when on the histogram of the span is cheap: where it costs a row for each task and hour, only
        of the last two hours.
        """
        if wanted.task_id is not None:
            return since
        gaps = self._totals_for(wanted, since, until).gaps
        is_cheap = sum((end - begin for begin, end in gaps), timedelta()) <= FEW_HOURS
        return since if is_cheap else max(since, until - LAST_HOURS)

    def _totals_for(self, wanted: RunFilter, since: datetime, until: datetime) -> Covered:
        if wanted.task_id is not None or wanted.groups is not None:
            return Covered(rollups=(), gaps=[(since, until)])
        return self._totals.of(since, until, node=wanted.node)

    def _read(self, wanted: RunFilter, since: datetime, until: datetime) -> Rollup:
        text, params = self._where(wanted, since, until)
        row = self._session.row(f"SELECT MIN(bucket_at), {TOTALS} FROM smart_cron_metrics WHERE {text}", params)
        # Of no row at all even the sums are NULL.
        if row is None or row[0] is None:
            return Rollup(bucket_at=hour_of(since))
        return rollup_of(self._session, (*row, None))

    def _spread(self, wanted: RunFilter, since: datetime, until: datetime) -> Mapping[int, int]:
        text, params = self._where(wanted, since, until)
        rows = self._session.rows(
            f"SELECT duration_histogram FROM smart_cron_metrics WHERE {text} AND duration_histogram IS NOT NULL", params
        )
        return merged(from_text(row[0]) for row in rows)

    def _where(self, wanted: RunFilter, since: datetime, until: datetime) -> Condition:
        conditions: list[Condition] = []
        if wanted.task_id is not None:
            conditions.append(("task_id = %s", [wanted.task_id]))
        conditions.append(
            (f"{SUMMED} AND bucket_at >= %s AND bucket_at < %s", [self._instant(since), self._instant(until)])
        )
        if wanted.node is not None:
            conditions.append(("node = %s", [wanted.node]))
        if wanted.groups is not None:
            text, params = within_groups(wanted.groups)
            conditions.append((f"task_id IN (SELECT id FROM smart_cron_tasks_config WHERE {text})", params))
        return all_of(conditions)
