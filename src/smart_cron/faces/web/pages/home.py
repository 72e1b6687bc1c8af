"""`/`: at one glance whether all is well, what runs, what failed, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from django.http import HttpRequest, HttpResponse, QueryDict

from smart_cron.core.health import FRESH
from smart_cron.core.people import Person
from smart_cron.core.rollup import Rollup, merge
from smart_cron.faces.web.day import day_chart, day_sums, percent, share_chart, sparks
from smart_cron.faces.web.guard import Route, person_of
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rendering import part, render
from smart_cron.faces.web.wellbeing import issues_of

MOST_RUNNING, MOST_UPCOMING, MOST_TASKS = 20, 12, 15
DAY = timedelta(hours=24)


def home(request: HttpRequest) -> HttpResponse:
    """Show the page; its regions are kept up to date by its stream."""
    premises, person = premises_of(request), person_of(request)
    charts = _charts(premises, person, datetime.now(UTC))
    return render(request, "home.html", regions=regions(premises, person, request.GET), **charts)


def regions(premises: Premises, person: Person, query: QueryDict) -> Mapping[str, str]:
    """Return the parts of the page that change."""
    del query
    now = datetime.now(UTC)
    charts = _charts(premises, person, now)
    return {
        **status_region(premises, person),
        **counters_region(premises, person, now),
        **running_regions(premises, person, now),
        "day": part(premises, person, "_chart_data.html", chart=charts["day"]),
        "share": part(premises, person, "_chart_data.html", chart=charts["share"]),
        "tasks": _tasks(premises, person, now),
    }


def status_region(premises: Premises, person: Person) -> Mapping[str, str]:
    """Return whether all is well, with what is not."""
    store = premises.store
    health, holds = store.health.latest(within=FRESH), store.holds.holds()
    found = issues_of(health, person)
    return {"status": part(premises, person, "home/_status.html", health=health, issues=found, holds=holds)}


def counters_region(premises: Premises, person: Person, now: datetime) -> Mapping[str, str]:
    """Return the figures of this moment and of the last hour."""
    counters = premises.store.overview.counters(person.groups)
    hour = last_hour(day_sums(premises, person.groups, now))
    rate = None if hour.success_rate is None else percent(hour.success_rate)
    return {"counters": part(premises, person, "home/_counters.html", counters=counters, hour=hour, rate=rate)}


def last_hour(hours: list[Rollup]) -> Rollup:
    """Return this hour and the one before: rollups know no others, and the page says since when they count."""
    return merge(hours[-2:], bucket_at=hours[-2].bucket_at)


def running_regions(premises: Premises, person: Person, now: datetime) -> Mapping[str, str]:
    """Return what runs and what comes next."""
    overview = premises.store.overview
    runs = overview.running(person.groups, limit=MOST_RUNNING + 1)
    slots = overview.upcoming(person.groups, until=now + DAY, limit=MOST_UPCOMING + 1)
    return {
        "running": part(
            premises, person, "home/_running.html",
            runs=[(run, expected_end(run.since, run.usual_seconds)) for run in runs[:MOST_RUNNING]],
            are_more=len(runs) > MOST_RUNNING,
        ),
        "next": part(
            premises, person, "home/_next.html", slots=slots[:MOST_UPCOMING], are_more=len(slots) > MOST_UPCOMING
        ),
    }  # fmt: skip


def expected_end(since: datetime | None, usual_seconds: float | None) -> datetime | None:
    """Return when a run that takes as long as usual ends."""
    return None if since is None or usual_seconds is None else since + timedelta(seconds=usual_seconds)


def _tasks(premises: Premises, person: Person, now: datetime) -> str:
    lines = premises.store.overview.tasks(person.groups, limit=MOST_TASKS)
    drawn = sparks(premises, [line.id for line in lines], now)
    return part(premises, person, "home/_tasks.html", lines=[(line, drawn[line.id]) for line in lines])


def _charts(premises: Premises, person: Person, now: datetime) -> Mapping[str, object]:
    hours = day_sums(premises, person.groups, now)
    return {"day": day_chart(hours), "share": share_chart(hours)}


ROUTES = (Route(path="", view=home, name="home"),)
