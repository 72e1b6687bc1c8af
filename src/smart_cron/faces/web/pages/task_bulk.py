"""Switching or running several tasks that were ticked in the list."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from math import ceil

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from smart_cron.core.errors import TaskBusyError, UnknownTaskError
from smart_cron.core.people import Role
from smart_cron.core.task import Task
from smart_cron.faces.web import asking
from smart_cron.faces.web.asking import NotThereError, WrongRequestError, answering
from smart_cron.faces.web.guard import Route, actor_of, person_of
from smart_cron.faces.web.limits import user_key
from smart_cron.faces.web.pages.tasks import A_PAGE, read_query
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.running import run_once


class Action(StrEnum):
    """What can be done with several tasks."""

    ENABLE = "enable"
    DISABLE = "disable"
    RUN = "run"


@answering
def bulk(request: HttpRequest) -> HttpResponse:
    """Do the same with every ticked task, and go back to the list as it was."""
    asked = request.POST
    asking.require_known(asked, ("action", "once", "back"), several=("task",))
    action, token = asking.choice(asked, "action", Action), asking.text(asked, "once", longest=64)
    back = QueryDict(asked.get("back") or "")
    read_query(back, person_of(request))
    if action is None or not token:
        raise WrongRequestError(_("Say what to do."))
    tasks = _tasks(request, asked.getlist("task"))
    if not tasks:
        messages.warning(request, _("No task was ticked."))
    elif action is Action.RUN:
        _run(request, tasks, token)
    else:
        _switch(request, tasks, on=action is Action.ENABLE)
    return HttpResponseRedirect(reverse("tasks") + (f"?{back.urlencode()}" if back else ""))


def _tasks(request: HttpRequest, ids: Sequence[str]) -> list[Task]:
    """Return the tasks. Raise NotThereError where one is none of theirs: then nothing is done at all."""
    store, person = premises_of(request).store, person_of(request)
    if len(ids) > A_PAGE:
        raise WrongRequestError(_("At most %(most)d tasks at once.") % {"most": A_PAGE})
    numbers = {_number(each) for each in ids}
    found = store.board.lines(sorted(numbers))
    if len(found) != len(numbers) or not all(person.is_near(line.group) for line in found):
        raise NotThereError("no such task.")
    try:
        return [store.tasks.get(line.id) for line in found]
    except UnknownTaskError:
        raise NotThereError("no such task.") from None


def _number(written: str) -> int:
    if not (written.isascii() and written.isdigit() and len(written) < 10):
        raise WrongRequestError(_("A task is named by its number here."))
    return int(written)


def _switch(request: HttpRequest, tasks: Sequence[Task], *, on: bool) -> None:
    store, changed = premises_of(request).store, [task for task in tasks if task.definition.enabled != on]
    with store.database.transaction():
        for task in changed:
            store.tasks.set_enabled(task.id, on, actor=actor_of(request))
    words = {"count": len(changed)}
    if on:
        messages.success(request, ngettext("%(count)d task enabled.", "%(count)d tasks enabled.", len(changed)) % words)
    else:
        messages.success(
            request, ngettext("%(count)d task disabled.", "%(count)d tasks disabled.", len(changed)) % words
        )


def _run(request: HttpRequest, tasks: Sequence[Task], token: str) -> None:
    store, asked_for, refused = premises_of(request).store, 0, []
    for number, task in enumerate(tasks):
        # The first was counted where the form came in.
        if number and (wait := premises_of(request).limits.wait_seconds("runs", user_key(person_of(request).id))):
            refused.append(_("No more runs for now: ask for the others in %(seconds)d s.") % {"seconds": ceil(wait)})
            break
        try:
            run_once(store, task, None, actor=actor_of(request), token=token)
            asked_for += 1
        except TaskBusyError as busy:
            refused.append(str(busy.message))
    if asked_for:
        words = {"count": asked_for}
        messages.success(request, ngettext("%(count)d run asked for.", "%(count)d runs asked for.", asked_for) % words)
    for each in refused:
        messages.warning(request, each)


ROUTES = (Route(path="tasks/bulk", view=bulk, name="tasks_bulk", see=None, change=Role.OPERATOR, limit="runs"),)
