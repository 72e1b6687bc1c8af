"""`/alerts`: what is wrong now, the gravest first, and what was; one by one or many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.utils.translation import gettext as _

from smart_cron.core.alert import Alert, AlertFilter, AlertType, Severity
from smart_cron.core.errors import UnknownTaskError
from smart_cron.core.people import Person
from smart_cron.faces.web.asked import Asked, UnusableError
from smart_cron.faces.web.guard import Route, person_of
from smart_cron.faces.web.nearness import near_alerts
from smart_cron.faces.web.pages.alert_change import SNOOZES
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rendering import part, render

PAGE = 50
FIELDS = ("state", "severity", "type", "task", "after")
# No task has it.
_NO_TASK = -1


class Which(StrEnum):
    """Open ones, or those that are resolved."""

    ACTIVE = "active"
    HISTORY = "history"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the address asks for. `fault` is what is wrong with the name of a task."""

    which: Which
    filter: AlertFilter
    after: Alert | None = None
    task: str = ""
    fault: str = ""
    kept: Mapping[str, str]


def alerts(request: HttpRequest) -> HttpResponse:
    """Show the page; its list is kept up to date by its stream."""
    premises, person = premises_of(request), person_of(request)
    wanted = read(premises, person, request.GET)
    return render(
        request,
        "alerts.html",
        regions={"list": _list(premises, person, wanted)},
        wanted=wanted,
        query=urlencode({name: value for name, value in request.GET.items() if value}),
        severities=Severity,
        types=AlertType,
        tabs=_tabs(wanted),
        snoozes=SNOOZES,
        is_filtered=bool(set(wanted.kept) - {"state"}),
    )


def regions(premises: Premises, person: Person, query: QueryDict) -> Mapping[str, str]:
    """Return the list as it is now; nothing where the address is none of ours."""
    try:
        return {"list": _list(premises, person, read(premises, person, query))}
    except (UnusableError, Http404):
        return {}


def read(premises: Premises, person: Person, query: QueryDict) -> Wanted:
    """Return what the address asks for. Raise UnusableError for an odd one."""
    asked = Asked(query, FIELDS)
    which = asked.word("state", Which) or Which.ACTIVE
    task, after = asked.text("task") or "", asked.number("after")
    task_id, fault = _task(premises, person, task)
    return Wanted(
        which=which,
        filter=AlertFilter(
            resolved=which is Which.HISTORY,
            severity=asked.word("severity", Severity),
            alert_type=asked.word("type", AlertType),
            task_id=task_id,
            groups=person.groups,
        ),
        after=near_alerts(premises, person, [after])[0] if after else None,
        task=task,
        fault=fault,
        kept=asked.kept("after"),
    )


def _task(premises: Premises, person: Person, name: str) -> tuple[int | None, str]:
    if not name:
        return None, ""
    try:
        task = premises.store.tasks.get(name)
    except UnknownTaskError:
        task = None
    if task is None or not person.is_near(task.definition.group):
        return _NO_TASK, _("There is no task of this name.")
    return task.id, ""


def _list(premises: Premises, person: Person, wanted: Wanted) -> str:
    found = premises.store.alert_pages.page(wanted.filter, after=wanted.after, limit=PAGE + 1)
    older = urlencode({**wanted.kept, "after": found[PAGE - 1].id}) if len(found) > PAGE else ""
    return part(
        premises, person, "alerts/_list.html",
        rows=rows(found[:PAGE]), older=older, newest=urlencode(wanted.kept) if wanted.after else None, wanted=wanted,
    )  # fmt: skip


def rows(found: Sequence[Alert]) -> list[tuple[Alert, str]]:
    """Return alerts with their states."""
    now = datetime.now(UTC)
    return [(each, str(each.state(now))) for each in found]


def _tabs(wanted: Wanted) -> list[Mapping[str, object]]:
    names = {Which.ACTIVE: _("Active"), Which.HISTORY: _("History")}
    return [
        {"name": name, "query": urlencode({**wanted.kept, "state": which}), "is_here": wanted.which is which}
        for which, name in names.items()
    ]


ROUTES = (Route(path="alerts", view=alerts, name="alerts"),)
