"""`/tasks/NAME/statistics`: how long, how often, how well, and what it took, from sums by the hour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from smart_cron.core.rollup import Rollup, by_day, day_of, hour_of, merge
from smart_cron.core.spans import span
from smart_cron.faces.cli.text import rate, size
from smart_cron.faces.web import asking
from smart_cron.faces.web.asking import answering
from smart_cron.faces.web.charts import Chart, Colour, Series
from smart_cron.faces.web.guard import Route
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.rendering import render
from smart_cron.faces.web.task_found import task_of
from smart_cron.faces.web.task_key import key_of

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Reach(StrEnum):
    """How far back."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


DAYS = {Reach.DAY: 1, Reach.WEEK: 7, Reach.MONTH: 30, Reach.QUARTER: 90, Reach.YEAR: 365}
WORDS = {
    Reach.DAY: gettext_lazy("24 hours"),
    Reach.WEEK: gettext_lazy("7 days"),
    Reach.MONTH: gettext_lazy("30 days"),
    Reach.QUARTER: gettext_lazy("90 days"),
    Reach.YEAR: gettext_lazy("A year"),
}


@answering
def statistics(request: HttpRequest, key: str) -> HttpResponse:
    """Show the charts of a task over some time."""
    asking.require_known(request.GET, ("reach",))
    reach = asking.choice(request.GET, "reach", Reach) or Reach.WEEK
    task, now = task_of(request, key), datetime.now(UTC)
    hourly = reach in (Reach.DAY, Reach.WEEK)
    until = hour_of(now) + HOUR if hourly else day_of(now) + DAY
    since = until - timedelta(days=DAYS[reach])
    found = premises_of(request).store.rollups.series(task_id=task.id, since=since, until=until)
    whole = merge(found, bucket_at=since)
    buckets = _filled(found if hourly else by_day(found), since, until, HOUR if hourly else DAY)
    return render(
        request,
        "task/statistics.html",
        task=task,
        key=key_of(task.name),
        tab="statistics",
        reach=reach,
        reaches=WORDS.items(),
        whole=whole,
        charts=charts_of(buckets, whole, grain="hour" if reach is Reach.DAY else "day") if whole.runs else (),
    )


def _filled(found: Sequence[Rollup], since: datetime, until: datetime, step: timedelta) -> list[Rollup]:
    """Return a sum for each step, those without a run too: a gap must be seen as one."""
    there = {rollup.bucket_at: rollup for rollup in found}
    count = int((until - since) / step)
    return [there.get(at, Rollup(bucket_at=at)) for at in (since + number * step for number in range(count))]


def charts_of(buckets: Sequence[Rollup], whole: Rollup, *, grain: str) -> list[Chart]:
    """Return the charts, each with what it says."""
    times = [each.bucket_at for each in buckets]

    def chart(key: str, title: str, sentence: str, *series: Series, stacked: bool = False) -> Chart:
        return Chart(
            key=key, title=title, sentence=sentence, series=series, times=times, grain=grain, stacked=stacked,
            legend=len(series) > 1,
        )  # fmt: skip

    def values(of: Callable[[Rollup], float | None]) -> list[float | None]:
        return [of(each) for each in buckets]

    unit, divisor = _unit_of(max((each.output_bytes for each in buckets), default=0))
    return [
        chart(
            "durations",
            _("How long runs took"),
            _durations_say(whole),
            Series(name=_("half of them"), values=values(lambda r: r.duration_p50), kind="line", unit="s"),
            Series(
                name=_("95 %"), values=values(lambda r: r.duration_p95), kind="line", unit="s", colour=Colour.SECOND
            ),
        ),
        chart(
            "outcomes",
            _("How runs went"),
            _outcomes_say(whole),
            Series(name=_("well"), values=values(lambda r: r.successes), colour=Colour.GOOD),
            Series(name=_("not"), values=values(lambda r: r.failures), colour=Colour.BAD),
            stacked=True,
        ),
        chart(
            "memory",
            _("Most memory"),
            _memory_says(whole),
            Series(name=_("most memory"), values=values(lambda r: r.memory_peak_mb), unit="MB", colour=Colour.THIRD),
        ),
        chart(
            "output",
            _("Output"),
            _("The runs wrote %(size)s in all.") % {"size": size(whole.output_bytes)},
            Series(
                name=_("output"),
                values=values(lambda r: r.output_bytes / divisor if r.runs else None),
                unit=unit,
                colour=Colour.REST,
            ),
        ),
    ]


def _unit_of(most: int) -> tuple[str, int]:
    """Return the unit in which the largest of some sizes has few digits."""
    return next((unit for unit in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)) if most >= unit[1]), ("B", 1))


def _durations_say(whole: Rollup) -> str:
    if whole.duration_p50 is None or whole.duration_p95 is None:
        return _("How long the runs took is not known.")
    words = {"half": span(whole.duration_p50), "most": span(whole.duration_p95), "longest": span(whole.duration_max)}
    return _("Half of the runs took at most %(half)s, 95 %% at most %(most)s, and the longest %(longest)s.") % words


def _outcomes_say(whole: Rollup) -> str:
    words = {"good": whole.successes, "all": whole.runs, "rate": rate(whole.successes, whole.runs)}
    return _("%(good)d of %(all)d runs went well: %(rate)s.") % words


def _memory_says(whole: Rollup) -> str:
    if whole.memory_peak_mb is None:
        return _("How much memory the runs took is not known.")
    return _("No run took more than %(most)d MB.") % {"most": whole.memory_peak_mb}


ROUTES = (Route(path="tasks/<str:key>/statistics", view=statistics, name="task_statistics"),)
