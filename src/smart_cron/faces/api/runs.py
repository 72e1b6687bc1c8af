"""`/runs`: executions, their output, and their end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from smart_cron.core.errors import TaskGoneError, UnknownRunError, UnknownTaskError
from smart_cron.core.people import Role
from smart_cron.core.run import ErrorType, Status
from smart_cron.faces.api.access import actor_of, needs, person_of
from smart_cron.faces.api.paging import Paging, page
from smart_cron.faces.api.quota import count
from smart_cron.faces.api.schemas import Asked, RunInFull, RunPage, Said, UsageOut
from smart_cron.faces.api.tasks import task_of
from smart_cron.faces.web.limits import user_key
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.run_of import path_of
from smart_cron.services.output.usage import Usage, usage_of

router = Router(tags=["runs"])
# A caller who may see few groups is shown what is theirs among so many.
LOOKED_THROUGH = 2_000


class RunFilter(Paging):
    """Which runs are listed."""

    task: str | None = Field(None, max_length=100)
    status: list[Status] = Field(default_factory=list)


@router.get("", response=RunPage, summary="List runs")
@needs(Role.VIEWER)
def list_runs(request: HttpRequest, filters: Query[RunFilter]) -> dict[str, Any]:
    """The newest first."""
    history, person = premises_of(request).store.history, person_of(request)
    task = task_of(request, filters.task) if filters.task else None
    rows: list[dict[str, Any]] = []
    before, looked = filters.cursor, 0
    while len(rows) <= filters.limit and looked < LOOKED_THROUGH:
        found = history.runs(
            task_id=task.id if task else None,
            statuses=filters.status or None,
            before_id=before,
            limit=filters.limit + 1,
        )
        rows += [row for row in found if person.is_near(row["task_group"])]
        looked += len(found)
        if len(found) <= filters.limit:
            return page(rows, filters.limit)
        before = found[-1]["id"]
    return page(rows, filters.limit) if len(rows) > filters.limit else {"items": rows, "next": before}


@router.get("/{run}", response=RunInFull, summary="Show a run")
@needs(Role.VIEWER)
def show_run(request: HttpRequest, run: str) -> dict[str, Any]:
    """By its number, or its run id."""
    return _run(request, run)


@router.get("/{run}/usage", response=list[UsageOut], summary="What a run used over time")
@needs(Role.VIEWER)
def run_usage(request: HttpRequest, run: str) -> Sequence[Usage]:
    """From the machine that it ran on: nothing where that is another, and of runs that are over at once."""
    path = path_of(premises_of(request), _run(request, run))
    return [] if path is None else usage_of(path)


@router.post("/{run}/kill", response=Said, summary="End a run")
@needs(Role.OPERATOR)
def kill_run(request: HttpRequest, run: str) -> dict[str, Any]:
    """With all its processes: SIGTERM, and SIGKILL after the task's grace. One that has not started will not."""
    row, premises = _run(request, run), premises_of(request)
    asked = premises.store.history.request_cancel(
        row["id"], reason=ErrorType.CANCELLED, actor=actor_of(request), now=premises.clock.now()
    )
    message = f"Run {row['id']} is being ended." if asked else f"Run {row['id']} is over already."
    return {"changed": asked, "message": message}


@router.post("/{run}/retry", response={202: Asked}, summary="Run it again")
@needs(Role.OPERATOR)
def retry_run(request: HttpRequest, run: str) -> tuple[int, dict[str, Any]]:
    """The same task with the same arguments, as a new run by hand."""
    row, premises = _run(request, run), premises_of(request)
    try:
        task = task_of(request, int(row["task_id"]))
    except UnknownTaskError:
        raise TaskGoneError(row["task_name"], row["id"]) from None
    count(request, "runs", user_key(person_of(request).id))
    number = premises.store.tasks.request_run(
        task.id, arguments=None, actor=actor_of(request), now=premises.clock.now(), retry_of=row["id"]
    )
    return 202, {"id": number, "task_name": task.name, "is_new": True}


def _run(request: HttpRequest, run: str) -> dict[str, Any]:
    row = premises_of(request).store.history.run(run)
    if not person_of(request).is_near(row["task_group"]):
        raise UnknownRunError(run)
    return row
