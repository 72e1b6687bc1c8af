"""`/tasks/NAME/slots`: a year as a calendar, the last day as a line, and what is to come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from django.http import HttpRequest, HttpResponse

from smart_cron.core.errors import InvalidInputError
from smart_cron.core.task import Task
from smart_cron.core.task_words import slots_to_come
from smart_cron.core.zones import zone
from smart_cron.faces.web import asking
from smart_cron.faces.web.asking import answering
from smart_cron.faces.web.guard import Route
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.rendering import render
from smart_cron.faces.web.slot_pictures import calendar_of, days_of, line_of
from smart_cron.faces.web.task_found import task_of
from smart_cron.faces.web.task_key import key_of
from smart_cron.services.ledger import unfolded
from smart_cron.store.gateway import Store

YEAR, DAY = timedelta(days=364), timedelta(days=1)
# A slot a minute with an attempt or two; and as many ranges as a page may read.
MOST_RUNS, MOST_RANGES, MOST_GONE = 4_000, 2_000, 2_000
TO_COME, SHOWN_RANGES = 10, 20


@answering
def slots(request: HttpRequest, key: str) -> HttpResponse:
    """Show what became of the task's slots, and which come next."""
    asking.require_known(request.GET, ())
    premises, task, now = premises_of(request), task_of(request, key), datetime.now(UTC)
    store, since = premises.store, now.replace(second=0, microsecond=0) - DAY
    first = (now - YEAR).date()
    pulses = store.board.pulses_between(
        task.id, since=datetime(first.year, first.month, first.day, tzinfo=UTC), until=now + DAY
    )
    ranges = store.history.not_run(task_id=task.id, limit=MOST_RANGES)
    runs = islice(store.ledger.runs(task.id, since=since, until=now + DAY), MOST_RUNS)
    return render(
        request,
        "task/slots.html",
        task=task,
        key=key_of(task.name),
        tab="slots",
        calendar=calendar_of(days_of(pulses, ranges, first=first, last=now.date())),
        line=line_of(runs, islice(_gone(store, task, since, now), MOST_GONE), since=since),
        since=since,
        middle=since + DAY / 2,
        now=now,
        ranges=ranges[:SHOWN_RANGES],
        to_come=_to_come(task, now, task.definition.time_zone or premises.config.time_zone),
    )


def _gone(store: Store, task: Task, since: datetime, until: datetime) -> Iterator[tuple[datetime, str]]:
    for gap in store.ledger.ranges(task.id, since=since, until=until):
        for slot in unfolded(store.ledger, task.id, gap, since, until):
            yield slot, str(gap.outcome)


def _to_come(task: Task, now: datetime, name: str) -> list[datetime]:
    if task.invalid_reason:
        return []
    try:
        return list(islice(slots_to_come(task, now, zone(name)), TO_COME))
    except InvalidInputError:
        return []


ROUTES = (Route(path="tasks/<str:key>/slots", view=slots, name="task_slots"),)
