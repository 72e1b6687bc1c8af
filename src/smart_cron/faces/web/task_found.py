"""The task that an address names, for whoever is let near it."""

from __future__ import annotations

from django.http import HttpRequest

from smart_cron.core.errors import UnknownTaskError
from smart_cron.core.people import Person
from smart_cron.core.task import Task
from smart_cron.faces.web.asking import NotThereError
from smart_cron.faces.web.guard import person_of
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.task_key import name_of
from smart_cron.store.gateway import Store


def task_of(request: HttpRequest, key: str) -> Task:
    """Return the task. Raise NotThereError where there is none, or none that is any business of theirs."""
    return find_task(premises_of(request).store, person_of(request), key)


def find_task(store: Store, person: Person, key: str) -> Task:
    """Return the task of a key. Raise NotThereError as `task_of` does."""
    name = name_of(key)
    try:
        task = store.tasks.get(name) if name else None
    except UnknownTaskError:
        task = None
    # A number finds a task, too; an address has its name alone.
    if task is None or task.name != name or not person.is_near(task.definition.group):
        raise NotThereError("no such task.")
    return task
