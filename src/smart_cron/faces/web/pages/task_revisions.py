"""`/tasks/NAME/revisions`: what the definition was, who saved it, what differs, and the way back."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from smart_cron.core.errors import SmartCronError, TaskChangedError, TaskExistsError, UnknownRevisionError
from smart_cron.core.people import Role
from smart_cron.core.revision import Revision, differing
from smart_cron.core.task import Task, TaskDefinition
from smart_cron.faces.web import asking
from smart_cron.faces.web.asking import NotThereError, WrongRequestError, answering
from smart_cron.faces.web.fresh import is_fresh, to_fresh_login
from smart_cron.faces.web.guard import Route, actor_of, person_of
from smart_cron.faces.web.pages.task_form import changes_between
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.rendering import render
from smart_cron.faces.web.task_entry import changed_fields, faults_by
from smart_cron.faces.web.task_found import task_of
from smart_cron.faces.web.task_key import key_of, task_address
from smart_cron.store.gateway import Store

A_PAGE, MOST = 20, 2**31 - 1


@answering
def revisions(request: HttpRequest, key: str) -> HttpResponse:
    """List the revisions, newest first, and compare two of them."""
    asking.require_known(request.GET, ("before", "from", "to"))
    before = asking.number(request.GET, "before", least=1, most=MOST)
    old, new = (asking.number(request.GET, name, least=1, most=MOST) for name in ("from", "to"))
    task, store = task_of(request, key), premises_of(request).store
    # One more, to tell what the oldest of them changed.
    found = store.revisions.revisions(task.id, before=before, limit=A_PAGE + 1)
    latest = found[0].number if before is None and found else _latest(store, task)
    return render(
        request,
        "task/revisions.html",
        task=task,
        key=key_of(task.name),
        tab="revisions",
        latest=latest,
        rows=[_row(found, place) for place in range(min(A_PAGE, len(found)))],
        older=found[A_PAGE - 1].number if len(found) > A_PAGE else None,
        compared=_compared(store, task, old, new) if old and new else None,
    )


def _row(found: Any, place: int) -> dict[str, Any]:
    revision: Revision = found[place]
    older = found[place + 1] if place + 1 < len(found) else None
    return {"revision": revision, "older": older, "changed": differing(older.values, revision.values) if older else ()}


def _latest(store: Store, task: Task) -> int:
    found = store.revisions.revisions(task.id, limit=1)
    return found[0].number if found else 0


def _compared(store: Store, task: Task, old: int, new: int) -> dict[str, Any]:
    try:
        before, after = (store.revisions.revision(task.id, number) for number in (old, new))
    except UnknownRevisionError:
        raise NotThereError("no such revision.") from None
    return {"old": before, "new": after, "changes": changes_between(before, after)}


@answering
def rollback(request: HttpRequest, key: str) -> HttpResponse:
    """Give the task a definition that it had: checked as any other, and saved as a new revision."""
    task, premises = task_of(request, key), premises_of(request)
    asking.require_known(request.POST, ("revision", "read"))
    number = asking.number(request.POST, "revision", least=1, most=MOST)
    read = asking.number(request.POST, "read", least=0, most=MOST)
    if number is None or read is None:
        raise WrongRequestError(_("Say which revision."))
    definition, fault = _definition(premises.store, task, number)
    changed = changed_fields(task.definition, definition)
    faults = [fault] if fault else faults_by(definition, task.definition, person_of(request), premises.config)
    if faults:
        messages.error(request, _("It stays as it is: %(faults)s.") % {"faults": "; ".join(faults)})
        return HttpResponseRedirect(task_address(task.name, "task_revisions"))
    if any(each.runs for each in changed) and not is_fresh(request):
        return to_fresh_login(request)
    return _rolled_back(request, task, definition, number, read)


def _definition(store: Store, task: Task, number: int) -> tuple[TaskDefinition, str | None]:
    try:
        return store.revisions.definition(task.id, number)
    except UnknownRevisionError:
        raise NotThereError("no such revision.") from None


def _rolled_back(request: HttpRequest, task: Task, definition: TaskDefinition, number: int, read: int) -> HttpResponse:
    try:
        saved = premises_of(request).store.tasks.replace(
            task.id, definition, actor=actor_of(request), revision=number, read=read
        )
    except (TaskChangedError, TaskExistsError) as refused:
        _tell(request, refused)
        return HttpResponseRedirect(task_address(task.name, "task_revisions"))
    messages.success(request, _("The task is defined as in revision %(number)d.") % {"number": number})
    return HttpResponseRedirect(task_address(saved.name))


def _tell(request: HttpRequest, refused: SmartCronError) -> None:
    messages.error(request, _("It stays as it is: %(faults)s") % {"faults": refused.message})


ROUTES = (
    Route(path="tasks/<str:key>/revisions", view=revisions, name="task_revisions"),
    Route(path="tasks/<str:key>/rollback", view=rollback, name="task_rollback", see=None, change=Role.EDITOR),
)
