"""What holds everything back, and the log: for those who may see or stop all of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query, Router
from ninja.errors import HttpError
from pydantic import Field

from smart_cron.core.node import HoldKind
from smart_cron.core.people import Role
from smart_cron.core.run import HELD_STATUSES, ErrorType
from smart_cron.faces.api.access import actor_of, needs, person_of
from smart_cron.faces.api.paging import Closed
from smart_cron.faces.api.quota import count
from smart_cron.faces.api.schemas import Said
from smart_cron.faces.web.limits import user_key
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.logs.criteria import Criteria
from smart_cron.logs.day_log import day_files
from smart_cron.logs.reading import entries_backwards

router = Router(tags=["system"])
PAGE = 500
# A word that stands nowhere would else be looked for through every day there is a log of: so many take a second.
LOOKED_THROUGH = 50_000
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class Stop(Closed):
    """Why nothing is to start any more; with `end_runs` what runs is ended as well."""

    reason: str = Field(min_length=1, max_length=500)
    end_runs: bool = False


class LogLines(Closed):
    """Which lines of the log."""

    kind: Literal["master", "health", "cleanup"] = "master"
    level: Level | None = Field(None, description="This one and graver ones.")
    text: str | None = Field(None, max_length=200)
    lines: Annotated[int, Field(ge=1, le=5000)] = 100


@router.post("/stop", response=Said, summary="Start nothing any more, on any node")
@needs(Role.ADMIN)
def stop(request: HttpRequest, payload: Stop) -> dict[str, Any]:
    """`smart-cron stop-all` of the console does so too, and ends by force what does not go."""
    premises = premises_of(request)
    is_new = premises.store.holds.hold(HoldKind.STOPPED, reason=payload.reason, actor=actor_of(request))
    asked = sum(_end(request, premises, row) for row in _held(premises)) if payload.end_runs else 0
    return {"changed": is_new or asked > 0, "message": f"Nothing starts until it is resumed. {asked} runs are ended."}


@router.post("/resume", response=Said, summary="Let tasks start again")
@needs(Role.ADMIN)
def resume(request: HttpRequest) -> dict[str, Any]:
    """What was due meanwhile follows each task's `on_missed`."""
    was_held = premises_of(request).store.holds.release(HoldKind.STOPPED, actor=actor_of(request))
    return {"changed": was_held, "message": "Tasks start again." if was_held else "Nothing was held back."}


def _held(premises: Premises) -> Iterator[dict[str, Any]]:
    before: int | None = None
    while page := premises.store.history.runs(statuses=list(HELD_STATUSES), before_id=before, limit=PAGE):
        yield from page
        before = page[-1]["id"]


def _end(request: HttpRequest, premises: Premises, row: dict[str, Any]) -> bool:
    return premises.store.history.request_cancel(
        row["id"], reason=ErrorType.STOPPED, actor=actor_of(request), now=premises.clock.now()
    )


@router.get("/logs", response=list[dict[str, Any]], summary="The latest lines of the log")
@needs(Role.VIEWER)
def logs(request: HttpRequest, asked: Query[LogLines]) -> list[dict[str, Any]]:
    """The newest first, of this node; with `level` or `text` those among its latest 50,000.

    For those who may see every group, since each line may name a task.
    """
    if person_of(request).groups is not None:
        raise HttpError(403, "The log tells of every task, and you may not see every group.")
    folder = premises_of(request).config.log_dir
    if asked.text or asked.level:
        count(request, "searches", user_key(person_of(request).id))
    wanted = Criteria({"min_level": asked.level, "message": asked.text})
    days = reversed(day_files(folder, asked.kind))
    latest = islice((entry for path in days for entry in entries_backwards(path)), LOOKED_THROUGH)
    return list(islice((entry for entry in latest if wanted.admit(entry)), asked.lines))
