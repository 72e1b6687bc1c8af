"""The last 24 hours as charts and sparklines, from the rollups alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from smart_cron.core.overview import TaskHour
from smart_cron.core.ports.overview import Groups
from smart_cron.core.rollup import HOUR, Rollup, hour_of, merge
from smart_cron.core.spans import span
from smart_cron.faces.web.charts import Chart, Colour, Series
from smart_cron.faces.web.premises import Premises

HOURS = 24
# Of hours that are over only what a silent node brings late changes anything.
OVER_SECONDS, APART_SECONDS = 300.0, 20.0
# One page shows them in three places.
NEWEST_SECONDS = 0.5
# Of so many hours each is read by itself.
FEW = 3
HEIGHT, STEP, BAR = 20, 3, 2


def first_hour(now: datetime) -> datetime:
    """Return where the 24 hours begin, of which this one is the last."""
    return hour_of(now) - (HOURS - 1) * HOUR


def day_sums(premises: Premises, groups: Groups, now: datetime) -> list[Rollup]:
    """Return 24 hours, the earliest first, empty ones too; this one and the one before as they were a moment ago."""
    first, lately, read = first_hour(now), hour_of(now) - HOUR, premises.store.overview.sums
    over = [first + number * HOUR for number in range(HOURS - 2)]
    if sum(not premises.memo.has(("hour", groups, at)) for at in over) > FEW:
        _remember(premises, groups, over, read(groups, since=first, until=lately))
    found = [_one_hour(premises, groups, at, age) for age, at in enumerate(over)]
    newest = premises.memo.get(
        ("newest hours", groups, lately),
        lambda: read(groups, since=lately, until=lately + 2 * HOUR),
        seconds=NEWEST_SECONDS,
    )
    fresh = {each.bucket_at: each for each in newest}
    return found + [fresh.get(at, Rollup(bucket_at=at)) for at in (lately, lately + HOUR)]


def _remember(premises: Premises, groups: Groups, hours: Sequence[datetime], sums: Sequence[Rollup]) -> None:
    """One statement for many hours; they are forgotten one after the other, so that none has to read them all again."""
    found = {each.bucket_at: each for each in sums}
    for age, at in enumerate(hours):
        premises.memo.put(("hour", groups, at), found.get(at, Rollup(bucket_at=at)), seconds=_lifetime(age))


def _one_hour(premises: Premises, groups: Groups, at: datetime, age: int) -> Rollup:
    def read() -> Rollup:
        found = premises.store.overview.sums(groups, since=at, until=at + HOUR)
        return found[0] if found else Rollup(bucket_at=at)

    return premises.memo.get(("hour", groups, at), read, seconds=_lifetime(age))


def _lifetime(age: int) -> float:
    return OVER_SECONDS + age * APART_SECONDS


def day_chart(hours: Sequence[Rollup]) -> Chart:
    """Return successes, failures and the mean duration by hour."""
    return Chart(
        key="day",
        title=_("Runs and their mean duration, by hour"),
        sentence=_day_sentence(merge(hours, bucket_at=hours[0].bucket_at)),
        times=[each.bucket_at for each in hours],
        stacked=True,
        series=(
            Series(name=_("Successes"), values=[each.successes for each in hours], colour=Colour.GOOD),
            Series(name=_("Failures"), values=[each.failures for each in hours], colour=Colour.BAD),
            Series(
                name=_("Mean duration"),
                values=[_mean(each) for each in hours],
                colour=Colour.MAIN,
                kind="line",
                axis="right",
                unit="s",
            ),
        ),
    )


def share_chart(hours: Sequence[Rollup]) -> Chart:
    """Return how runs ended, as a doughnut."""
    total = merge(hours, bucket_at=hours[0].bucket_at)
    return Chart(
        key="share",
        title=_("How runs ended within 24 hours"),
        sentence=_share_sentence(total),
        kind="doughnut",
        labels=(_("Successes"), _("Failures")),
        series=(Series(name=_("Runs"), values=(total.successes, total.failures), colours=(Colour.GOOD, Colour.BAD)),),
    )


def percent(share: float) -> str:
    """Return a share as words: what is nearly all is not all."""
    shown = 100 * share
    return f"{shown:.0f} %" if shown == round(shown) else f"{min(max(shown, 0.1), 99.9):.1f} %"


def _mean(hour: Rollup) -> float | None:
    return round(hour.duration_sum / hour.timed_runs, 3) if hour.timed_runs else None


def _day_sentence(total: Rollup) -> str:
    if not total.runs:
        return _("Nothing ended within the last 24 hours.")
    facts = {"runs": f"{total.runs:,}", "failures": f"{total.failures:,}", "mean": span(_mean(total))}
    return _("%(runs)s runs ended within 24 hours, %(failures)s of them failed; one took %(mean)s on average.") % facts


def _share_sentence(total: Rollup) -> str:
    if total.success_rate is None:
        return _("Nothing ended within the last 24 hours.")
    facts = {"rate": percent(total.success_rate), "runs": f"{total.runs:,}"}
    return _("%(rate)s of %(runs)s runs were successful.") % facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Spark:
    """A task's 24 hours as two paths, and in words."""

    good: str
    bad: str
    words: str


def spark(hours: Sequence[TaskHour], *, first: datetime) -> Spark:
    """Return the sparkline of these hours; the tallest bar is the hour with most runs."""
    most = max((each.runs for each in hours), default=0)
    good, bad = [], []
    for each in hours:
        left = int((each.bucket_at - first) / HOUR) * STEP
        whole, failed = _height(each.runs, most), _height(each.failures, most)
        if whole > failed:
            good.append(f"M{left} {HEIGHT - failed}v-{whole - failed}h{BAR}v{whole - failed}z")
        if failed:
            bad.append(f"M{left} {HEIGHT}v-{failed}h{BAR}v{failed}z")
    facts = {"runs": sum(each.runs for each in hours), "failures": sum(each.failures for each in hours)}
    return Spark(good="".join(good), bad="".join(bad), words=_("%(runs)d runs, %(failures)d failures") % facts)


def _height(count: int, most: int) -> int:
    """Return a bar's height; what is there at all is seen."""
    return max(2, round(HEIGHT * count / most)) if count and most else 0


def sparks(premises: Premises, task_ids: Sequence[int], now: datetime) -> Mapping[int, Spark]:
    """Return the sparkline of each of these tasks."""
    first = first_hour(now)
    found = premises.store.overview.task_hours(task_ids, since=first, until=first + timedelta(hours=HOURS))
    return {task_id: spark(found.get(task_id, ()), first=first) for task_id in task_ids}
