"""What a schedule comes to: in words, its next slots, and what clock changes do to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from smart_cron.core.schedule import Schedule
from smart_cron.core.words import describe, remarks

REMARKS_REACH = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """`words` is a sentence without its full stop; a `@reboot` has no slots."""

    pattern: str
    words: str
    slots: Sequence[datetime]
    remarks: Sequence[str]


def forecast(pattern: str, place: ZoneInfo, *, now: datetime, count: int) -> Forecast:
    """Return what a pattern comes to. Raise InvalidScheduleError where it is none or never fires."""
    schedule = Schedule.parse(pattern)
    return Forecast(
        pattern=schedule.pattern,
        words=describe(pattern),
        slots=list(islice(_slots(schedule, now, place), count)),
        remarks=remarks(pattern, place, now, now + REMARKS_REACH),
    )


def _slots(schedule: Schedule, now: datetime, place: ZoneInfo) -> Iterator[datetime]:
    slot = now
    while not schedule.is_reboot:
        slot = schedule.next_after(slot, place)
        yield slot
