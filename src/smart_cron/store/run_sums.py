"""What the hourly sums say of the runs of a filter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from smart_cron.core.histogram import from_text, merged
from smart_cron.core.rollup import Rollup, hour_of
from smart_cron.core.run_filter import RunFilter
from smart_cron.store.rollups import SUMMED, TOTALS, rollup_of
from smart_cron.store.run_ways import Condition, all_of, within_groups
from smart_cron.store.session import Session


class RunSums:
    """Reads sums by task, node and groups. Who is let near a group sees what its tasks of today ever summed up."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._instant = session.dialect.instant

    def sums(self, wanted: RunFilter, *, since: datetime, until: datetime) -> Rollup:
        """Return the sum of the hours of the span for the filter's task, node and groups; without a histogram."""
        text, params = self._where(wanted, since, until)
        row = self._session.row(f"SELECT MIN(bucket_at), {TOTALS} FROM smart_cron_metrics WHERE {text}", params)
        # Of no row at all even the sums are NULL.
        if row is None or row[0] is None:
            return Rollup(bucket_at=hour_of(since))
        return replace(rollup_of(self._session, (*row, None)), bucket_at=hour_of(since))

    def histogram(self, wanted: RunFilter, *, since: datetime, until: datetime) -> Mapping[int, int]:
        """Return how the durations of these hours are spread; it costs a row for each task and hour."""
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
