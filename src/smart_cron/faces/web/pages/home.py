"""`/`: at one glance whether all is well, what runs, what failed, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse, QueryDict

from smart_cron.core.health import FRESH
from smart_cron.core.people import Person
from smart_cron.core.run import HELD_STATUSES
from smart_cron.faces.web.guard import Route, person_of
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rendering import part, render

MOST_RUNNING = 100


def home(request: HttpRequest) -> HttpResponse:
    """Show the page; its regions are kept up to date by its stream."""
    premises, person = premises_of(request), person_of(request)
    return render(request, "home.html", regions=regions(premises, person, request.GET))


def regions(premises: Premises, person: Person, query: QueryDict) -> Mapping[str, str]:
    """Return the parts of the page that change."""
    del query
    return {
        "status": part(premises, person, "home/_status.html", health=premises.store.health.latest(within=FRESH)),
        "running": part(premises, person, "home/_running.html", runs=_running(premises, person)),
    }


def _running(premises: Premises, person: Person) -> list[Mapping[str, object]]:
    rows = premises.store.history.runs(statuses=list(HELD_STATUSES), limit=MOST_RUNNING)
    return [row for row in rows if person.groups is None]


ROUTES = (Route(path="", view=home, name="home"),)
