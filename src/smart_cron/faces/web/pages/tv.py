"""`/tv`: a wall board. Nothing to click, large enough for a room, and nothing but what somebody would get up for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse, QueryDict

from smart_cron.core.health import FRESH
from smart_cron.core.people import Person
from smart_cron.faces.web.asked import Asked
from smart_cron.faces.web.day import day_sums, percent
from smart_cron.faces.web.guard import Route, person_of
from smart_cron.faces.web.pages.home import DAY, expected_end, last_hour
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rendering import part, render
from smart_cron.faces.web.wellbeing import issues_of

MOST = 8


def tv(request: HttpRequest) -> HttpResponse:
    """Show the board; its regions are kept up to date by its stream."""
    Asked(request.GET, ())
    premises, person = premises_of(request), person_of(request)
    return render(request, "tv.html", regions=regions(premises, person, request.GET))


def regions(premises: Premises, person: Person, query: QueryDict) -> Mapping[str, str]:
    """Return the parts that change."""
    del query
    now, overview = datetime.now(UTC), premises.store.overview
    hour = last_hour(day_sums(premises, person.groups, now))
    health = premises.store.health.latest(within=FRESH)
    failing = [line for line in overview.tasks(person.groups, limit=MOST) if line.is_failing]
    runs = overview.running(person.groups, limit=MOST)
    return {
        "head": part(
            premises, person, "tv/_head.html", health=health, issues=issues_of(health, person),
            holds=premises.store.holds.holds(), counters=overview.counters(person.groups), hour=hour,
            rate=None if hour.success_rate is None else percent(hour.success_rate),
        ),
        "failing": part(premises, person, "tv/_failing.html", lines=failing),
        "running": part(
            premises, person, "tv/_running.html",
            runs=[(run, expected_end(run.since, run.usual_seconds)) for run in runs],
        ),
        "next": part(
            premises, person, "tv/_next.html", slots=overview.upcoming(person.groups, until=now + DAY, limit=MOST)
        ),
    }  # fmt: skip


ROUTES = (Route(path="tv", view=tv, name="tv"),)
