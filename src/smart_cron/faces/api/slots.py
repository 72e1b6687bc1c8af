"""What became of slots, and why: `/tasks/NAME/why`, `/tasks/NAME/held` and `/ledger`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Query, Router, Schema
from ninja.errors import HttpError
from pydantic import Field

from smart_cron.core.held import HeldRange
from smart_cron.core.ledger import LedgerTask, lines
from smart_cron.core.moments import FORESIGHT
from smart_cron.core.people import Role
from smart_cron.core.schedule import MAX_YEARS
from smart_cron.core.task import Task
from smart_cron.core.zones import zone
from smart_cron.faces.api.access import actor_of, needs, person_of
from smart_cron.faces.api.paging import Closed, Instant
from smart_cron.faces.api.quota import count
from smart_cron.faces.api.schemas import Said, Slot
from smart_cron.faces.api.tasks import task_of
from smart_cron.faces.web.limits import user_key
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.services.ledger import entries, tasks_named
from smart_cron.services.why import Inquiry, Subject
from smart_cron.wiring.inquiring import inquiry_at

tasks = Router(tags=["tasks"])
router = Router(tags=["ledger"])
waiting = Router(tags=["ledger"])
MOST_EVENTS = MOST_SLOTS = 10_000


class At(Closed):
    """A slot, past or to come, or everything from an instant on; without either the last and the next slot."""

    at: Instant | None = None
    width_seconds: int = Field(60, ge=1, le=86_400, description="How far from `at` the slot may lie.")
    since: Instant | None = None
    until: Instant | None = None


class Interval(Closed):
    """From when, and to before when; and of which task."""

    since: Instant | None = None
    until: Instant | None = None
    task: str | None = Field(None, min_length=1, max_length=100)


class HeldOut(Schema):
    """Slots that wait for a person."""

    task: str
    first_slot: datetime
    last_slot: datetime
    count: int
    reason: str


class Decided(Said):
    """How many slots it was."""

    count: int


class Slots(Closed):
    """Which of the held slots; all of them where none are named."""

    slots: list[Instant] | None = Field(None, max_length=MOST_SLOTS)


@tasks.get("/{name}/why", response=list[dict[str, Any]], summary="Why a slot ran, or did not")
@needs(Role.VIEWER)
def why(request: HttpRequest, name: str, asked: Query[At]) -> list[dict[str, Any]]:
    """With the chain of decisions. With `since` what happened, a sentence for each event, 10,000 at most."""
    if asked.at is not None and (asked.since is not None or asked.until is not None):
        raise HttpError(400, "at asks about one slot, since and until about an interval: send one of the two.")
    premises, task = premises_of(request), task_of(request, name)
    place = zone(premises.config.time_zone)
    inquiry = inquiry_at(premises.store, premises.config, now=premises.clock.now(), place=place)
    subjects = [
        inquiry.subject(
            each,
            definition=task.definition if each.exists else None,
            default_zone=premises.config.time_zone,
        )
        for each in _namesakes(request, premises, task)
    ]
    if asked.since is not None:
        until = asked.until or premises.clock.now() + timedelta(microseconds=1)
        if until > premises.clock.now() + FORESIGHT:
            raise HttpError(400, f"until lies too far ahead: slots are told of {MAX_YEARS} years to come.")
        return list(islice(_story(inquiry, subjects, asked.since, until), MOST_EVENTS))
    if asked.at is None:
        return [dict(answer.document) for answer in inquiry.last_and_next(subjects[0])]
    return [dict(inquiry.of_slot(subjects, asked.at, width=timedelta(seconds=asked.width_seconds)).document)]


def _story(inquiry: Inquiry, subjects: Sequence[Subject], since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    for subject in reversed(subjects):
        for event in inquiry.story(subject, since=since, until=until):
            yield {"task": subject.task.name, **event.document}


@tasks.get("/{name}/held", response=list[HeldOut], summary="Its slots that wait for a person")
@needs(Role.VIEWER)
def held(request: HttpRequest, name: str) -> list[dict[str, Any]]:
    """Where `on_missed` is `hold`."""
    return [_held(found) for found in premises_of(request).store.held.held(task_of(request, name).id)]


@tasks.get("/{name}/held/slots", response=list[Slot], summary="Each of its slots that wait for a person")
@needs(Role.VIEWER)
def held_slots(request: HttpRequest, name: str) -> list[dict[str, datetime]]:
    """The earliest first, 10,000 at most."""
    found = premises_of(request).store.held.slots(task_of(request, name).id)
    return [{"slot": at} for at in found[:MOST_SLOTS]]


@tasks.post("/{name}/held/run", response=Decided, summary="Run held slots")
@needs(Role.OPERATOR)
def run_held(request: HttpRequest, name: str, payload: Slots | None = None) -> dict[str, Any]:
    """The oldest first."""
    premises, task = premises_of(request), task_of(request, name)
    count(request, "runs", user_key(person_of(request).id))
    wanted = _wanted(premises, task.id, payload)
    slots = premises.store.held.run(task.id, wanted, actor=actor_of(request), now=premises.clock.now())
    return {"changed": slots > 0, "message": f"{slots} slots are run.", "count": slots}


@tasks.post("/{name}/held/drop", response=Decided, summary="Let held slots be skipped for good")
@needs(Role.OPERATOR)
def drop_held(request: HttpRequest, name: str, payload: Slots | None = None) -> dict[str, Any]:
    """They stand in the ledger as skipped."""
    premises, task = premises_of(request), task_of(request, name)
    wanted = _wanted(premises, task.id, payload)
    slots = premises.store.held.drop(task.id, wanted, actor=actor_of(request), now=premises.clock.now())
    return {"changed": slots > 0, "message": f"{slots} slots are dropped.", "count": slots}


@waiting.get("", response=list[HeldOut], summary="All slots that wait for a person")
@needs(Role.VIEWER)
def all_held(request: HttpRequest) -> list[dict[str, Any]]:
    """Of the tasks that you may see."""
    store, groups = premises_of(request).store, person_of(request).groups
    found = store.held.held()
    if groups is None:
        return [_held(each) for each in found]
    near = store.overview.groups_of([each.task_id for each in found])
    return [_held(each) for each in found if each.task_id in near and (near[each.task_id] or "") in groups]


@router.get("", response={200: str}, summary="What became of every slot", openapi_extra={"x-stream": "ndjson"})
@needs(Role.VIEWER)
def ledger(request: HttpRequest, asked: Query[Interval]) -> HttpResponse | StreamingHttpResponse:
    """One JSON object a line, for each execution and each slot that did not run, task by task."""
    if asked.since and asked.until and asked.since >= asked.until:
        raise HttpError(400, "since is not before until; did you mean to exchange them?")
    if asked.task is None and person_of(request).groups is not None:
        raise HttpError(403, "Name a task: you may not see every group.")
    premises = premises_of(request)
    if asked.task is None:
        wanted = list(premises.store.ledger.tasks())
    else:
        wanted = _namesakes(request, premises, task_of(request, asked.task))

    def written() -> Iterator[bytes]:
        for each in wanted:
            found = entries(premises.store.ledger, each.task_id, since=asked.since, until=asked.until)
            for line in lines(found):
                yield f"{line}\n".encode()

    return StreamingHttpResponse(written(), content_type="application/x-ndjson")


def _namesakes(request: HttpRequest, premises: Premises, task: Task) -> list[LedgerTask]:
    """Return the task and those deleted ones that had its name; they may have been of any group."""
    named = tasks_named(premises.store.ledger.tasks(), task.name)
    return named if person_of(request).groups is None else [each for each in named if each.task_id == task.id]


def _wanted(premises: Premises, task_id: int, payload: Slots | None) -> set[datetime]:
    if payload is None or payload.slots is None:
        return set(premises.store.held.slots(task_id))
    return set(payload.slots)


def _held(found: HeldRange) -> dict[str, Any]:
    gap = found.range
    return {
        "task": gap.task,
        "first_slot": gap.first,
        "last_slot": gap.last,
        "count": gap.count,
        "reason": gap.reason,
    }
