"""`/tasks/NAME`: how a task stands, how its last runs went, and what it is."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse, QueryDict

from smart_cron.core.builtin import is_builtin
from smart_cron.core.people import Person, Role
from smart_cron.core.run import HELD_STATUSES, Status
from smart_cron.core.task import Task
from smart_cron.core.task_words import next_slot
from smart_cron.faces.web import asking
from smart_cron.faces.web.asking import NotThereError, answering
from smart_cron.faces.web.definition_words import sections_of
from smart_cron.faces.web.guard import Route, person_of
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rendering import part, render
from smart_cron.faces.web.task_found import find_task, task_of
from smart_cron.faces.web.task_key import key_of
from smart_cron.wiring.inquiring import living_nodes

STRIP, LATEST = 30, 10
# Held slots are shown as the ranges that they are kept in.
MOST_HELD = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What changes about a task."""

    task: Task
    next_at: datetime | None
    runs: Sequence[Mapping[str, Any]]
    current: Sequence[Mapping[str, Any]]
    has_master: bool

    @property
    def success_rate(self) -> float | None:
        """The share of executions that went well, 0 to 1."""
        task = self.task
        return task.total_successes / task.total_executions if task.total_executions else None

    @property
    def strip(self) -> Sequence[Mapping[str, Any]]:
        """The last runs, the oldest first."""
        return list(reversed(self.runs))

    @property
    def latest(self) -> Sequence[Mapping[str, Any]]:
        """The newest few."""
        return self.runs[:LATEST]

    @property
    def went_well(self) -> int:
        """How many of the last runs were won."""
        return sum(run["status"] == Status.SUCCESS for run in self.runs)

    @property
    def ended(self) -> int:
        """How many of the last runs are over."""
        return sum(_is_final(run["status"]) for run in self.runs)

    @property
    def expected_end(self) -> datetime | None:
        """When what runs now is over, if it takes as long as it does on average."""
        average = self.task.avg_execution_time
        begun = [run["started_at"] for run in self.current if run["started_at"]]
        return begun[0] + timedelta(seconds=average) if begun and average else None


@answering
def task(request: HttpRequest, key: str) -> HttpResponse:
    """Show the page; its regions are kept up to date by its stream."""
    asking.require_known(request.GET, ())
    premises, person = premises_of(request), person_of(request)
    found = task_of(request, key)
    return render(
        request,
        "task/overview.html",
        task=found,
        key=key_of(found.name),
        tab="task",
        is_builtin=is_builtin(found.definition),
        definition=sections_of(found.definition, premises.config, shows_input=person.may(Role.EDITOR)),
        once=secrets.token_urlsafe(16),
        regions=_regions(premises, person, found),
    )


def admits(premises: Premises, person: Person, query: QueryDict) -> bool:
    """Whether there is such a task for them."""
    try:
        find_task(premises.store, person, query.get("task", ""))
    except NotThereError:
        return False
    return True


def regions(premises: Premises, person: Person, query: QueryDict) -> Mapping[str, str]:
    """Return the parts of the page that change; none where the task is gone, or none of theirs any more."""
    try:
        return _regions(premises, person, find_task(premises.store, person, query.get("task", "")))
    except NotThereError:
        return {"standing": part(premises, person, "task/_gone.html")}


def _regions(premises: Premises, person: Person, task: Task) -> Mapping[str, str]:
    store = premises.store
    now, place = datetime.now(UTC), ZoneInfo(premises.config.time_zone)
    runs = store.history.runs(task_id=task.id, limit=STRIP)
    standing = Standing(
        task=task,
        next_at=next_slot(task, now, place),
        runs=runs,
        current=[run for run in runs if run["status"] in HELD_STATUSES],
        has_master=bool(living_nodes(store, premises.config)),
    )
    held = store.held.held(task.id)
    return {
        "standing": part(premises, person, "task/_standing.html", standing=standing, task=task),
        "held": part(premises, person, "task/_held.html", held=held[:MOST_HELD], more=len(held) > MOST_HELD),
        "runs": part(premises, person, "task/_runs.html", standing=standing, task=task),
    }


def _is_final(status: object) -> bool:
    try:
        return Status(str(status)).is_final
    except ValueError:
        return True


ROUTES = (Route(path="tasks/<str:key>", view=task, name="task"),)
