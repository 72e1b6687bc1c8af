"""`/audit`: who changed what, from where, and how it was before.

For editors and admins who see all groups: the log tells of every task, user and setting at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from smart_cron.core.audit import AuditFilter
from smart_cron.core.audit_words import changes_of, report_sentences
from smart_cron.core.errors import UnknownTaskError
from smart_cron.core.people import Person, Role
from smart_cron.core.zones import zone
from smart_cron.faces.web.asked import Asked, UnusableError
from smart_cron.faces.web.guard import Route, actor_of, person_of
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rendering import part, render

PAGE = 50
FIELDS = ("who", "action", "task", "from", "to", "before")
CHORE = "audit"
ACTIONS = ("create", "update", "delete", "enable", "disable", "run", "cancel", "acknowledge", "resolve", "snooze")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the address asks for."""

    filter: AuditFilter
    before: int | None
    kept: Mapping[str, str]


def audit(request: HttpRequest) -> HttpResponse:
    """Show the page."""
    premises, person = premises_of(request), person_of(request)
    wanted = _read(premises, person, request.GET)
    return render(
        request, "audit.html", regions=_regions(premises, person, wanted), wanted=wanted, actions=ACTIONS,
        query=urlencode({name: value for name, value in request.GET.items() if value}), zone=premises.config.time_zone,
    )  # fmt: skip


def regions(premises: Premises, person: Person, query: QueryDict) -> Mapping[str, str]:
    """Return the rows as they are now; nothing where the address is none of ours."""
    try:
        return _regions(premises, person, _read(premises, person, query))
    except (UnusableError, Http404):
        return {}


def verify(request: HttpRequest) -> HttpResponse:
    """Hold every row against its seal, on a thread of its own: a long log takes long."""
    premises, actor = premises_of(request), actor_of(request)
    _require_all_groups(person_of(request))
    Asked(request.POST, ())
    if premises.chores.begin(CHORE, lambda: _look(premises), by=str(actor)):
        premises.store.audit.note("verify", actor=actor, entity=("audit", 0, "audit log"))
    else:
        messages.info(request, _("Somebody verifies it already."))
    return HttpResponseRedirect(reverse("audit"))


def _look(premises: Premises) -> tuple[bool, str]:
    # Late: only who verifies needs it.
    from smart_cron.services.audit import remembered

    store = premises.store
    report, head = store.audit.verify(remembered(premises.config.state_dir)), store.audit.head()
    return report.is_whole, "\n".join(report_sentences(report, head.row_hash if head else None))


def _require_all_groups(person: Person) -> None:
    if person.groups is not None:
        raise Http404


def _read(premises: Premises, person: Person, query: QueryDict) -> Wanted:
    _require_all_groups(person)
    asked, place = Asked(query, FIELDS), zone(premises.config.time_zone)
    name, number = _task(premises, asked.text("task"))
    wanted = AuditFilter(
        since=asked.moment("from", place),
        until=asked.moment("to", place),
        user=asked.text("who"),
        action=asked.text("action"),
        task=name,
        task_id=number,
    )
    return Wanted(filter=wanted, before=asked.number("before"), kept=asked.kept("before"))


def _task(premises: Premises, name: str | None) -> tuple[str | None, int | None]:
    """A deleted task is found by its name."""
    if name is None:
        return None, None
    try:
        task = premises.store.tasks.get(name)
    except UnknownTaskError:
        return name, None
    return task.name, task.id


def _regions(premises: Premises, person: Person, wanted: Wanted) -> Mapping[str, str]:
    entries = premises.store.audit.entries(wanted.filter, before_id=wanted.before, limit=PAGE + 1)
    older = urlencode({**wanted.kept, "before": entries[PAGE - 1].id}) if len(entries) > PAGE else ""
    return {
        "verified": part(premises, person, "audit/_verified.html", chore=premises.chores.newest(CHORE)),
        "rows": part(
            premises, person, "audit/_rows.html", rows=[(each, list(changes_of(each))) for each in entries[:PAGE]],
            older=older, newest=urlencode(wanted.kept) if wanted.before else None,
        ),
    }  # fmt: skip


ROUTES = (
    Route(path="audit", view=audit, name="audit", see=Role.EDITOR),
    Route(path="audit/verify", view=verify, name="audit_verify", see=None, change=Role.ADMIN),
)
