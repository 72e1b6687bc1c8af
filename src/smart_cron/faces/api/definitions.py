"""What must be true of a definition before the API saves it: that the caller may, and that it can run."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from ninja.errors import HttpError

from smart_cron.core.errors import InvalidTaskError, TaskChangedError
from smart_cron.core.task import Task, TaskDefinition
from smart_cron.core.task_rights import ADMINS_ALONE, Bar, bars
from smart_cron.faces.api.access import actor_of, person_of, require_fresh
from smart_cron.faces.web.premises import premises_of
from smart_cron.wiring.soundness import faults_here

# What runs: a browser left alone must not change it.
CODE = ("script", "arguments", *ADMINS_ALONE)
TRIES = 5
_NEW = TaskDefinition(name="", schedule="")
_WORDS = {
    Bar.SHELL: "A task that is a shell command is changed by an admin alone.",
    Bar.GROUP: "Its group is none of yours: name one that is.",
}


def require_allowed(request: HttpRequest, after: TaskDefinition, before: TaskDefinition | None) -> None:
    """Raise HttpError 403 where the change is none that the caller may make, whatever way it came about."""
    found = list(bars(person_of(request), after, before))
    if fields := [field for bar, field in found if bar is Bar.FIELD]:
        raise HttpError(403, f"{', '.join(fields)}: an admin's alone.")
    if found:
        raise HttpError(403, _WORDS[found[0][0]])
    old = before or _NEW
    if any(getattr(after, field) != getattr(old, field) for field in CODE):
        require_fresh(request)


def require_sound(request: HttpRequest, definition: TaskDefinition) -> None:
    """Raise InvalidTaskError with every fault of the definition."""
    premises = premises_of(request)
    if faults := list(faults_here(definition, premises.config, now=premises.clock.now())):
        raise InvalidTaskError([fault.says for fault in faults], remedy="Nothing was saved.")


def save(
    request: HttpRequest, task_id: int, made: Callable[[Task], TaskDefinition], *, revision: int | None = None
) -> Task:
    """Save what *made* makes of the task as it stands, judged against just that: made anew where another was quicker.

    Raise TaskChangedError where others are quicker each time.
    """
    store = premises_of(request).store
    for tries_left in reversed(range(TRIES)):
        latest = store.revisions.revisions(task_id, limit=1)
        task = store.tasks.get(task_id)
        definition = made(task)
        require_allowed(request, definition, task.definition)
        require_sound(request, definition)
        try:
            return store.tasks.replace(
                task_id,
                definition,
                actor=actor_of(request),
                revision=revision,
                read=latest[0].number if latest else 0,
            )
        except TaskChangedError:
            if not tries_left:
                raise
    raise AssertionError("the last try returns or raises")
