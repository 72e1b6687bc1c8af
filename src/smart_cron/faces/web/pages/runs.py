"""`/runs`: every run there is, by any filter, with its figures. The filter is the address, which can be sent on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict

from smart_cron.core.people import Person
from smart_cron.core.run import Status
from smart_cron.core.run_filter import RunFilter, RunPage
from smart_cron.faces.web.answers import bad_request
from smart_cron.faces.web.day import percent
from smart_cron.faces.web.guard import Route, person_of
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rendering import part, render
from smart_cron.faces.web.run_figures import figures_for
from smart_cron.faces.web.run_form import RunFilterForm, place_from, place_text

ROWS = 50


def runs(request: HttpRequest) -> HttpResponse:
    """Show a page of runs; the first one is kept up to date by its stream."""
    premises, person = premises_of(request), person_of(request)
    form = RunFilterForm(request.GET, premises, person)
    try:
        places = {name: place_from(request.GET.get(name)) for name in ("before", "after")}
    except (ValueError, OverflowError):
        return bad_request(request)
    known: dict[str, Any] = {"form": form, "said": urlencode(list(form.said)), "is_live": not any(places.values())}
    if not form.is_valid():
        return render(request, "runs.html", 400, **known)
    wanted = form.wanted()
    page = premises.store.runs.page(wanted, **places, limit=ROWS)
    table = _table(premises, person, page, wanted, known["said"])
    return render(request, "runs.html", regions={"table": table, **_figures(premises, person, wanted)}, **known)


def regions(premises: Premises, person: Person, query: QueryDict) -> Mapping[str, str]:
    """Return the parts of the first page that change."""
    form = RunFilterForm(query, premises, person)
    if not form.is_valid():
        return {}
    wanted, said = form.wanted(), urlencode(list(form.said))
    page = premises.store.runs.page(wanted, limit=ROWS)
    return {"table": _table(premises, person, page, wanted, said), **_figures(premises, person, wanted)}


def _table(premises: Premises, person: Person, page: RunPage, wanted: RunFilter, said: str) -> str:
    mark = "&" if said else ""
    return part(
        premises,
        person,
        "runs/_table.html",
        rows=[shown(row) for row in page.rows],
        older=f"?{said}{mark}before={place_text(page.older)}" if page.older else "",
        newer=f"?{said}{mark}after={place_text(page.newer)}" if page.newer else "",
        newest=f"?{said}",
        is_cut=page.is_cut,
        oldest=page.older.id if page.older else None,
        is_dated=wanted.is_dated,
    )


def _figures(premises: Premises, person: Person, wanted: RunFilter) -> Mapping[str, str]:
    found = figures_for(premises, wanted, datetime.now(UTC))
    rate = percent(found.success_rate) if found and found.success_rate is not None else None
    return {"figures": part(premises, person, "runs/_figures.html", figures=found, rate=rate)}


def shown(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a run with what a list says of it beside its columns."""
    status = Status(row["status"])
    began = row["started_at"] or row["scheduled_for"] or row["created_at"]
    return {
        **row,
        "began": began,
        "is_final": status.is_final,
        "is_running": status is Status.RUNNING,
        "colour": colour_of(status),
        "words": row["error_message"] or row["reason"] or "",
    }


def colour_of(status: Status) -> str:
    """Return the class of a badge that shows it."""
    if status is Status.SUCCESS:
        return "bg-green-lt"
    if not status.is_final:
        return "bg-yellow-lt" if status is Status.UNREACHABLE else "bg-blue-lt"
    return "bg-secondary-lt" if status in (Status.MISSED, Status.SKIPPED) else "bg-red-lt"


ROUTES = (Route(path="runs", view=runs, name="runs"),)
