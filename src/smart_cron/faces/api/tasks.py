"""`/tasks`: definitions, and what is done with them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import chain, islice
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Header, Query, Router
from ninja.errors import HttpError
from ninja.renderers import JSONRenderer
from pydantic import Field

from smart_cron.core.errors import UnknownTaskError
from smart_cron.core.masking import HIDDEN
from smart_cron.core.people import Person, Role
from smart_cron.core.run import Status
from smart_cron.core.schedule import Schedule
from smart_cron.core.task import Task, TaskDefinition
from smart_cron.core.task_words import slots_ahead
from smart_cron.core.zones import zone
from smart_cron.faces.api.access import actor_of, needs, person_of
from smart_cron.faces.api.definitions import require_allowed, require_sound, save
from smart_cron.faces.api.paging import Closed
from smart_cron.faces.api.quota import count, tell_what_is_left
from smart_cron.faces.api.schemas import Asked, NewTask, RunRequest, Said, Slot, TaskOut, TaskTerms
from smart_cron.faces.cli.documents import task_document
from smart_cron.faces.task_columns import changed
from smart_cron.faces.web.limits import user_key
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.waiting import Lookout, look_out
from smart_cron.store.people.once import Once

router = Router(tags=["tasks"])
OnceKey = Annotated[str | None, Header(None, max_length=200, description="The same key runs it once only.")]
LONGEST_WAIT_SECONDS = 25


class TaskFilter(Closed):
    """Which tasks are listed."""

    enabled: bool | None = None
    group: str | None = Field(None, max_length=100)


class Wait(Closed):
    """How long to wait for the end."""

    wait: int = Field(0, ge=0, le=LONGEST_WAIT_SECONDS, description="Seconds to wait for the run's end.")


class Count(Closed):
    """How many."""

    count: int = Field(10, ge=1, le=1000)


@router.get("", response=list[TaskOut], summary="List the tasks")
@needs(Role.VIEWER)
def list_tasks(request: HttpRequest, filters: Query[TaskFilter]) -> list[dict[str, Any]]:
    """Tasks by name, those of the caller's groups."""
    person = person_of(request)
    found = premises_of(request).store.tasks.list(enabled=filters.enabled, group=filters.group)
    return [shown_task(task, person) for task in found if person.is_near(task.definition.group)]


@router.get("/{name}", response=TaskOut, summary="Show a task")
@needs(Role.VIEWER)
def show_task(request: HttpRequest, name: str) -> dict[str, Any]:
    """One task by its name."""
    return shown_task(task_of(request, name), person_of(request))


@router.post("", response={201: TaskOut}, summary="Add a task")
@needs(Role.EDITOR)
def add_task(request: HttpRequest, payload: NewTask) -> tuple[int, dict[str, Any]]:
    """Whoever may add or change a task may run code as its user."""
    terms = payload.dict(exclude_unset=True)
    definition = changed(TaskDefinition(name="", schedule=""), terms)
    require_allowed(request, definition, None)
    require_sound(request, definition)
    return 201, task_document(premises_of(request).store.tasks.add(definition, actor=actor_of(request)))


@router.patch("/{name}", response=TaskOut, summary="Change a task")
@needs(Role.EDITOR)
def change_task(request: HttpRequest, name: str, payload: TaskTerms) -> dict[str, Any]:
    """What is left out stays as it is."""
    task, terms = task_of(request, name), payload.dict(exclude_unset=True)
    return task_document(save(request, task.id, lambda now: changed(now.definition, terms)))


@router.post("/{name}/enable", response=Said, summary="Let its slots run")
@needs(Role.OPERATOR)
def enable_task(request: HttpRequest, name: str) -> dict[str, Any]:
    """From now on; what was missed while it was disabled stays missed."""
    return _switch(request, name, on=True)


@router.post("/{name}/disable", response=Said, summary="Let no slot of it run")
@needs(Role.OPERATOR)
def disable_task(request: HttpRequest, name: str) -> dict[str, Any]:
    """A run that goes on now goes on to its end."""
    return _switch(request, name, on=False)


def _switch(request: HttpRequest, name: str, *, on: bool) -> dict[str, Any]:
    task, word = task_of(request, name), "enabled" if on else "disabled"
    if task.definition.enabled == on:
        return {"changed": False, "message": f"Task '{task.name}' is {word} already."}
    premises_of(request).store.tasks.set_enabled(task.id, on, actor=actor_of(request))
    return {"changed": True, "message": f"Task '{task.name}' is {word}."}


@router.delete("/{name}", response=Said, summary="Delete a task")
@needs(Role.EDITOR)
def remove_task(request: HttpRequest, name: str) -> dict[str, Any]:
    """Its history stays, and a run that goes on now goes on to its end."""
    task, premises = task_of(request, name), premises_of(request)
    premises.store.tasks.remove(task.id, actor=actor_of(request), now=premises.clock.now())
    return {"changed": True, "message": f"Removed '{task.name}'; the history stays."}


@router.post("/{name}/run", response={200: Asked, 202: Asked}, summary="Run a task now")
@needs(Role.OPERATOR)
def run_task(
    request: HttpRequest,
    name: str,
    waiting: Query[Wait],
    payload: RunRequest | None = None,
    idempotency_key: OnceKey = None,
) -> tuple[int, dict[str, Any]]:
    """Beside its schedule. With `wait` the answer is 200 and the run where it ended in time, else 202."""
    premises, task = premises_of(request), task_of(request, name)
    count(request, "runs", user_key(person_of(request).id))
    arguments = payload.arguments if payload else None
    if arguments is not None and not person_of(request).may(Role.EDITOR):
        # A script may do anything by them: they are code of the caller's own.
        raise HttpError(403, "Arguments of one's own need the role editor.")

    def ask() -> int:
        return premises.store.tasks.request_run(
            task.id, arguments=arguments, actor=actor_of(request), now=premises.clock.now()
        )

    if idempotency_key is None:
        number, is_new = ask(), True
    else:
        once = Once(premises.store.session)
        number, is_new = once.do(person_of(request).id, idempotency_key, f"run {task.id} {arguments}", ask)
    row = _ended(premises, number) if waiting.wait else None
    asked = {"id": number, "task_name": task.name, "is_new": is_new, "run": row}
    if waiting.wait and row is None:
        _wait_for_end(request, waiting.wait, asked)
    return (200 if row is not None else 202), asked


def _ended(premises: Premises, number: int) -> dict[str, Any] | None:
    row = premises.store.history.run(str(number))
    return row if Status(row["status"]).is_final else None


def _wait_for_end(request: HttpRequest, seconds: int, asked: Mapping[str, Any]) -> None:
    premises = premises_of(request)

    def look() -> HttpResponse | None:
        row = _ended(premises, asked["id"])
        if row is None:
            return None
        told = Asked.model_validate({**asked, "run": row}).model_dump()
        body = JSONRenderer().render(request, told, response_status=200)
        answer = HttpResponse(body, content_type="application/json; charset=utf-8")
        tell_what_is_left(request, answer)
        return answer

    look_out(request, Lookout(who=user_key(person_of(request).id), seconds=seconds, look=look))


@router.get("/{name}/next", response=list[Slot], summary="Its next slots")
@needs(Role.VIEWER)
def next_slots(request: HttpRequest, name: str, asked: Query[Count]) -> list[dict[str, datetime]]:
    """By its schedule, of fifty years to come; a slot that was set by hand comes first."""
    task, premises = task_of(request, name), premises_of(request)
    schedule = Schedule.parse(task.definition.schedule)
    if schedule.is_reboot:
        return []
    place = zone(task.definition.time_zone or premises.config.time_zone)
    first, now = task.next_run_at, premises.clock.now()
    following = slots_ahead(schedule, first or now, now, place)
    slots = following if first is None else chain([first], following)
    return [{"slot": slot} for slot in islice(slots, asked.count)]


def shown_task(task: Task, person: Person) -> dict[str, Any]:
    """Return a task; what it is fed may be a secret, and is for those who may change tasks."""
    document = task_document(task)
    if task.definition.stdin_text and not person.may(Role.EDITOR):
        document["stdin_text"] = HIDDEN
    return document


def task_of(request: HttpRequest, name: str | int) -> Task:
    """Return a task that is the caller's business. Raise UnknownTaskError for others, as if there were none."""
    task = premises_of(request).store.tasks.get(name)
    if not person_of(request).is_near(task.definition.group):
        raise UnknownTaskError(str(name))
    return task
