"""How a task stands and when it runs, for every face."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from smart_cron.core.errors import InvalidInputError, InvalidScheduleError
from smart_cron.core.moments import FORESIGHT
from smart_cron.core.schedule import Schedule
from smart_cron.core.task import Task
from smart_cron.core.words import describe
from smart_cron.core.zones import zone


def state(task: Task) -> str:
    """Return the one word for how a task stands."""
    if task.is_running:
        return "running"
    if task.invalid_reason:
        return "invalid"
    return "enabled" if task.definition.enabled else "disabled"


@lru_cache(maxsize=4096)
def in_words(schedule: str) -> str:
    """Return a schedule in words; one that cannot be read, put there by SQL, is no reason to list nothing."""
    try:
        return describe(schedule)
    except InvalidScheduleError:
        return "cannot be read"


def next_slot(task: Task, now: datetime, default_zone: ZoneInfo) -> datetime | None:
    """Return the next slot: the planned one, or what the pattern says for a task that no master has seen yet."""
    definition = task.definition
    if task.next_run_at is not None or not definition.enabled or task.invalid_reason:
        return task.next_run_at if definition.enabled else None
    return first_slot(definition.schedule, definition.time_zone, now, default_zone)


def first_slot(pattern: str, zone_name: str | None, now: datetime, default_zone: ZoneInfo) -> datetime | None:
    """Return the first slot of a pattern after *now*, or None where it has none or cannot be read."""
    try:
        schedule = Schedule.parse(pattern)
        place = zone(zone_name) if zone_name else default_zone
        return None if schedule.is_reboot else schedule.next_after(now, place)
    except InvalidInputError:
        return None  # Put there by SQL: the master will say what is wrong with it.


def slots_to_come(task: Task, now: datetime, place: ZoneInfo) -> Iterator[datetime]:
    """Yield the slots of an enabled task: its `next_run_at`, which may be set by hand, then those of its pattern."""
    schedule = Schedule.parse(task.definition.schedule)
    if not task.definition.enabled:
        return
    slot = task.next_run_at
    if slot is not None:
        yield slot
    while not schedule.is_reboot:
        try:
            slot = schedule.next_after(max(slot, now) if slot else now, place)
        except InvalidInputError:
            if slot is None:
                raise
            return  # Set by hand to so late a time that the calendar ends before the pattern fires again.
        yield slot


def slots_ahead(schedule: Schedule, after: datetime, now: datetime, place: ZoneInfo) -> Iterator[datetime]:
    """Yield the slots later than *after*, as far ahead of *now* as slots are told."""
    at = after
    while at < now + FORESIGHT and (at := schedule.next_after(at, place)) <= now + FORESIGHT:
        yield at
