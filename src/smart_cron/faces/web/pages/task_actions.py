"""What can be done with a task at once: switch, run, decide on held slots, delete."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from smart_cron.core.builtin import is_builtin
from smart_cron.core.errors import TaskBusyError
from smart_cron.core.people import Role
from smart_cron.core.run import HELD_STATUSES
from smart_cron.core.task import Task
from smart_cron.faces.web import asking
from smart_cron.faces.web.asking import WrongRequestError, answering
from smart_cron.faces.web.entry import arguments_of
from smart_cron.faces.web.guard import Route, actor_of, person_of
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.running import run_once
from smart_cron.faces.web.task_found import task_of
from smart_cron.faces.web.task_key import task_address

# More executions than anybody wants from one click.
MOST_SLOTS = 10_000


class Wish(StrEnum):
    """What becomes of held slots."""

    NEWEST = "newest"
    ALL = "all"
    DROP = "drop"


class Switch(StrEnum):
    """Whether a task's slots run."""

    ON = "on"
    OFF = "off"


@answering
def switch(request: HttpRequest, key: str) -> HttpResponse:
    """Let the task's slots run, or not."""
    task = task_of(request, key)
    asking.require_known(request.POST, ("to",))
    to = asking.choice(request.POST, "to", Switch)
    if to is None:
        raise WrongRequestError(_("Say whether to switch it on or off."))
    if task.definition.enabled != (to is Switch.ON):
        premises_of(request).store.tasks.set_enabled(task.id, to is Switch.ON, actor=actor_of(request))
    if to is Switch.ON:
        messages.success(request, _("The task is enabled."))
    else:
        messages.success(request, _("The task is disabled. A run that goes on now goes on to its end."))
    return HttpResponseRedirect(task_address(task.name))


@answering
def run(request: HttpRequest, key: str) -> HttpResponse:
    """Run the task now, beside its schedule; arguments of one's own are code of one's own, and so for editors."""
    task = task_of(request, key)
    names = ("once", "own", "arguments") if person_of(request).may(Role.EDITOR) else ("once",)
    asking.require_known(request.POST, names)
    token = asking.text(request.POST, "once", longest=64)
    if not token:
        raise WrongRequestError(_("This form is not ours: reload the page."))
    try:
        number = run_once(
            premises_of(request).store, task, _arguments(request, task), actor=actor_of(request), token=token
        )
    except TaskBusyError as busy:
        messages.warning(request, _("It was not run: %(reason)s") % {"reason": str(busy)})
    else:
        messages.success(request, _("Run %(number)d is asked for.") % {"number": number})
    return HttpResponseRedirect(task_address(task.name))


def _arguments(request: HttpRequest, task: Task) -> tuple[str, ...] | None:
    if request.POST.get("own", "") not in ("", "on"):
        raise WrongRequestError(_("The field 'own' is a tick."))
    if request.POST.get("own") != "on":
        return None
    if task.definition.shell_command:
        raise WrongRequestError(_("A shell command takes no arguments."))
    try:
        return arguments_of(request.POST.get("arguments", ""))
    except ValueError as fault:
        raise WrongRequestError(str(fault)) from None


@answering
def held(request: HttpRequest, key: str) -> HttpResponse:
    """Run or drop slots that were missed and wait for a person."""
    task, store = task_of(request, key), premises_of(request).store
    asking.require_known(request.POST, ("wish",))
    wish = asking.choice(request.POST, "wish", Wish)
    if wish is None:
        raise WrongRequestError(_("Say what becomes of them."))
    ranges = store.held.held(task.id)
    if sum(each.range.count for each in ranges) > MOST_SLOTS and wish is not Wish.NEWEST:
        messages.error(
            request, _("Too many slots wait for one click: decide on the console, by 'smart-cron task held'.")
        )
    elif not ranges:
        messages.info(request, _("No slot waits any more."))
    else:
        newest = frozenset({max(each.range.last for each in ranges)})
        slots = newest if wish is Wish.NEWEST else frozenset(store.held.slots(task.id))
        decide = store.held.drop if wish is Wish.DROP else store.held.run
        count = decide(task.id, slots, actor=actor_of(request), now=datetime.now(UTC))
        if wish is Wish.DROP:
            said = ngettext("%(n)d slot will not run.", "%(n)d slots will not run.", count)
        else:
            said = ngettext("%(n)d slot will run.", "%(n)d slots will run.", count)
        messages.success(request, said % {"n": count})
    return HttpResponseRedirect(task_address(task.name))


@answering
def delete(request: HttpRequest, key: str) -> HttpResponse:
    """Delete the task whose name was typed; its history stays."""
    task, store = task_of(request, key), premises_of(request).store
    asking.require_known(request.POST, ("name",))
    if request.POST.get("name", "").strip() != task.name:
        messages.error(request, _("It was not deleted: what was typed is not its name."))
        return HttpResponseRedirect(task_address(task.name))
    if is_builtin(task.definition):
        messages.error(request, _("A built-in task stays; it can be disabled."))
        return HttpResponseRedirect(task_address(task.name))
    going = [row["id"] for row in store.history.runs(task_id=task.id, statuses=list(HELD_STATUSES))]
    store.tasks.remove(task.id, actor=actor_of(request), now=datetime.now(UTC))
    messages.success(request, _("The task '%(name)s' is deleted; its history stays.") % {"name": task.name})
    for number in going:
        messages.info(request, _("Run %(number)d goes on to its end.") % {"number": number})
    return HttpResponseRedirect(reverse("tasks"))


ROUTES = (
    Route(path="tasks/<str:key>/switch", view=switch, name="task_switch", see=None, change=Role.OPERATOR),
    Route(path="tasks/<str:key>/run", view=run, name="task_run", see=None, change=Role.OPERATOR, limit="runs"),
    Route(path="tasks/<str:key>/held", view=held, name="task_held", see=None, change=Role.OPERATOR, limit="runs"),
    Route(path="tasks/<str:key>/delete", view=delete, name="task_delete", see=None, change=Role.EDITOR),
)
