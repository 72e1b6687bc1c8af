"""Count, success rate and durations for a filter, from the hourly sums: executions are never counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from smart_cron.core.histogram import merged, quantile_within
from smart_cron.core.rollup import HOUR, Rollup, day_of, hour_of
from smart_cron.core.run import Status
from smart_cron.core.run_filter import RunFilter
from smart_cron.faces.web.premises import Premises
from smart_cron.faces.web.run_form import FAILED

DAY = timedelta(hours=24)
LONG = 7 * DAY
# What is kept by task and hour of two thousand tasks takes a while to read: hours that are over seldom change.
KEPT_SECONDS, KEPT_LONG_SECONDS, KEPT_HOUR_SECONDS = 10.0, 60.0, 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """What the hours from `since` to `until` say. Where only the count answers the filter, `is_count` says so.

    p50 and p95 are of the hours from `spread_since`, which may be fewer.
    """

    since: datetime
    until: datetime
    runs: int
    is_count: bool = False
    success_rate: float | None = None
    average: float | None = None
    longest: float | None = None
    p50: float | None = None
    p95: float | None = None
    spread_since: datetime | None = None


def figures_for(premises: Premises, wanted: RunFilter, now: datetime) -> RunFigures | None:
    """Return the figures, or None where the sums cannot answer this filter."""
    count_of = _count_of(wanted.statuses)
    if not replace(wanted, statuses=()).is_summed or count_of is None:
        return None
    until = _whole_hour(min(wanted.until or now, now + HOUR))
    since = hour_of(wanted.since or (wanted.until or now) - DAY)
    if until - since > LONG:
        # Of what is long ago there are days.
        since = day_of(since)
    asked = replace(wanted, since=None, until=None, statuses=())
    total = premises.memo.get(
        ("run sums", asked, since, until),
        lambda: premises.store.runs.sums(asked, since=since, until=until),
        seconds=KEPT_SECONDS if until - since <= 2 * DAY else KEPT_LONG_SECONDS,
    )
    if wanted.statuses:
        return RunFigures(since=since, until=until, runs=getattr(total, count_of), is_count=True)
    return _with_durations(premises, asked, total, since, until)


def _with_durations(
    premises: Premises, asked: RunFilter, total: Rollup, since: datetime, until: datetime
) -> RunFigures:
    spread_since = premises.memo.get(
        ("run spread since", asked, since, until),
        lambda: premises.store.runs.spread_since(asked, since=since, until=until),
        seconds=KEPT_HOUR_SECONDS,
    )
    histogram = merged(
        premises.memo.get(
            ("run spread", asked, begin, end),
            lambda begin=begin, end=end: premises.store.runs.histogram(asked, since=begin, until=end),  # type: ignore[misc]
            seconds=KEPT_SECONDS if end == until else KEPT_HOUR_SECONDS,
        )
        for begin, end in ((spread_since, max(spread_since, until - HOUR)), (max(spread_since, until - HOUR), until))
        if begin < end
    )
    bounds = {"least": total.duration_min, "most": total.duration_max}
    return RunFigures(
        since=since,
        until=until,
        runs=total.runs,
        success_rate=total.success_rate,
        average=total.duration_sum / total.timed_runs if total.timed_runs else None,
        longest=total.duration_max,
        p50=quantile_within(histogram, 0.5, **bounds),
        p95=quantile_within(histogram, 0.95, **bounds),
        spread_since=spread_since if spread_since != since else None,
    )


def _count_of(statuses: tuple[Status, ...]) -> str | None:
    """Return which sum counts these states, None where none does."""
    known = {(): "runs", FAILED: "failures", (Status.SUCCESS,): "successes"}
    return known.get(statuses)


def _whole_hour(instant: datetime) -> datetime:
    hour = hour_of(instant)
    return hour if hour == instant else hour + HOUR
