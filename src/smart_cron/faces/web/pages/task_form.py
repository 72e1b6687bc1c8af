"""`/tasks/new` and `/tasks/NAME/edit`: every field, explained, checked by the rules of the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from smart_cron.core.errors import TaskChangedError, TaskExistsError
from smart_cron.core.histogram import quantile_within
from smart_cron.core.people import Person, Role
from smart_cron.core.revision import Revision, differing
from smart_cron.core.revision_words import shown_pair
from smart_cron.core.run_filter import RunFilter
from smart_cron.core.spans import span, written_span
from smart_cron.core.task import Task, TaskDefinition
from smart_cron.core.validation import Fault
from smart_cron.faces.web import asking
from smart_cron.faces.web.asking import WrongRequestError, answering
from smart_cron.faces.web.entry import shown_secret
from smart_cron.faces.web.fresh import is_fresh, to_fresh_login
from smart_cron.faces.web.guard import Route, actor_of, person_of
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rendering import render
from smart_cron.faces.web.task_entry import Entry, changed_fields, entry_of, read_entry
from smart_cron.faces.web.task_fields import SECTIONS, Field, fields_for
from smart_cron.faces.web.task_found import task_of
from smart_cron.faces.web.task_key import key_of, task_address

PAST = timedelta(days=30)
# Fewer runs say little about the longest of them.
LEAST_RUNS = 5
ROUND_SECONDS = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A field with what is typed into it and what is wrong with that."""

    field: Field
    typed: str
    faults: Sequence[str]
    is_open: bool
    placeholder: str = ""


@answering
def new(request: HttpRequest) -> HttpResponse:
    """Define a task, from nothing or from another one (`like`)."""
    premises, person = premises_of(request), person_of(request)
    asking.require_known(request.GET, ("like",))
    like = request.GET.get("like") or request.POST.get("like") or ""
    base = _base(request, like)
    if request.method != "POST":
        return _page(request, entry_of(base), task=None, like=like)
    asking.require_known(request.POST, [*(field.key for field in fields_for(person)), "like"])
    entry = read_entry(request.POST, base, person, premises.config)
    if entry.faults:
        return _page(request, entry, task=None, like=like, status=400)
    if not is_fresh(request):
        return to_fresh_login(request)
    try:
        made = premises.store.tasks.add(entry.definition, actor=actor_of(request))
    except TaskExistsError as taken:
        return _page(request, _with(entry, "name", str(taken.message)), task=None, like=like, status=400)
    messages.success(request, _("The task is defined."))
    return HttpResponseRedirect(task_address(made.name))


def _base(request: HttpRequest, like: str) -> TaskDefinition:
    """Return what the form begins with; what only admins set is copied for admins alone."""
    person = person_of(request)
    if not like:
        group = None if person.is_near(None) else min(person.groups or ("",))
        return TaskDefinition(name="", schedule="", group=group)
    source = replace(task_of(request, like).definition, origin=None)
    if not person.may(Role.ADMIN):
        source = replace(source, shell_command=None, stdin_text=None, run_as=None, environment={})
    return source if request.method == "POST" else replace(source, name="")


@answering
def edit(request: HttpRequest, key: str) -> HttpResponse:
    """Change a task, unless somebody else did since the form was made."""
    premises, person = premises_of(request), person_of(request)
    asking.require_known(request.GET, ())
    task = task_of(request, key)
    if request.method != "POST":
        return _page(request, entry_of(task.definition), task=task)
    asking.require_known(request.POST, [*(field.key for field in fields_for(person)), "revision"])
    read = asking.number(request.POST, "revision", least=0, most=2**31 - 1)
    if read is None:
        raise WrongRequestError(_("This form is not ours: reload the page."))
    entry = read_entry(request.POST, task.definition, person, premises.config)
    if entry.faults:
        return _page(request, entry, task=task, read=read, status=400)
    changed = changed_fields(task.definition, entry.definition)
    if any(field.runs for field in changed) and not is_fresh(request):
        return to_fresh_login(request)
    try:
        saved = premises.store.tasks.replace(task.id, entry.definition, actor=actor_of(request), read=read)
    except TaskChangedError as meanwhile:
        return _page(request, entry, task=task, status=409, meanwhile=_meanwhile(premises, task, meanwhile))
    except TaskExistsError as taken:
        return _page(request, _with(entry, "name", str(taken.message)), task=task, read=read, status=400)
    messages.success(request, _("Saved.") if changed else _("Nothing differs; it is as it was."))
    return HttpResponseRedirect(task_address(saved.name))


def _with(entry: Entry, field: str, says: str) -> Entry:
    return replace(entry, faults=[*entry.faults, Fault(field, says)])


def _page(
    request: HttpRequest, entry: Entry, *, task: Task | None, status: int = 200, read: int | None = None, **more: Any
) -> HttpResponse:
    premises, person = premises_of(request), person_of(request)
    secrets = {name: shown_secret(getattr(entry.definition, name)) for name in ("alert_slack_webhook", "ping_url")}
    return render(
        request,
        "task/form.html",
        status,
        task=task,
        key=key_of(task.name) if task else "",
        parts=[_section(section, entry, person, secrets) for section in SECTIONS],
        entry=entry,
        revision=_latest(premises, task) if read is None else read,
        suggestion=_suggestion(premises, task) if task else None,
        known=_known(premises, person),
        is_fresh=is_fresh(request),
        **more,
    )


def _section(section: Any, entry: Entry, person: Person, secrets: Mapping[str, str]) -> dict[str, Any]:
    may = {field.name for field in fields_for(person)}
    usual = entry_of(TaskDefinition(name="", schedule="")).typed
    shown = [
        Shown(
            field=field,
            typed=entry.typed[field.key],
            faults=entry.faults_of(field),
            is_open=field.name in may,
            placeholder=secrets.get(field.name, ""),
        )
        for field in section.fields
    ]
    is_odd = any(each.typed != usual[each.field.key] or each.faults or each.placeholder for each in shown)
    faulty = sum(bool(each.faults) for each in shown)
    return {"section": section, "fields": shown, "opens": section.opens or is_odd, "faulty": faulty}


def _latest(premises: Premises, task: Task | None) -> int:
    latest = premises.store.revisions.revisions(task.id, limit=1) if task else ()
    return latest[0].number if latest else 0


def _known(premises: Premises, person: Person) -> Mapping[str, Sequence[str]]:
    board = premises.store.board
    return {
        "groups": board.groups(person.groups),
        "tags": board.tags(person.groups),
        "zones": sorted(name for name in available_timezones() if "/" in name or name == "UTC"),
    }


def _meanwhile(premises: Premises, task: Task, changed: TaskChangedError) -> Mapping[str, Any]:
    """Return who saved the task since the form was made, and what differs by it."""
    store = premises.store.revisions
    latest = store.revision(task.id, changed.saved)
    before = store.revision(task.id, max(changed.read, 1))
    return {"revision": latest, "changes": changes_between(before, latest)}


def changes_between(old: Revision, new: Revision) -> list[dict[str, Any]]:
    """Return each column that differs with both values as they may be shown."""
    return [
        dict(zip(("name", "old", "new"), (name, *shown_pair(name, old.values, new.values)), strict=True))
        for name in differing(old.values, new.values)
    ]


def _suggestion(premises: Premises, task: Task) -> Mapping[str, Any] | None:
    """Return a timeout by what runs took lately: several times what 19 of 20 did not exceed, rounded up."""
    runs, wanted, now = premises.store.runs, RunFilter(task_id=task.id), datetime.now(UTC)
    past = runs.sums(wanted, since=now - PAST, until=now)
    if past.timed_runs < LEAST_RUNS:
        return None
    spread = runs.histogram(wanted, since=now - PAST, until=now)
    p95 = quantile_within(spread, 0.95, least=past.duration_min, most=past.duration_max)
    if p95 is None:
        return None
    enough = 3 * max(p95, past.duration_max or 0.0)
    seconds = next((step for step in ROUND_SECONDS if step >= enough), None)
    if seconds is None:
        return None
    words = {"runs": past.timed_runs, "p95": span(p95), "most": span(past.duration_max or p95)}
    says = _("Of %(runs)d runs in 30 days, 95 %% took at most %(p95)s and the longest %(most)s.") % words
    return {"says": says, "value": written_span(timedelta(seconds=seconds))}


ROUTES = (
    Route(path="tasks/new", view=new, name="task_new", see=Role.EDITOR, change=Role.EDITOR),
    Route(path="tasks/<str:key>/edit", view=edit, name="task_edit", see=Role.EDITOR, change=Role.EDITOR),
)
