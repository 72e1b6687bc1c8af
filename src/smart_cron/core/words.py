"""Schedules in words, for `task list` and `explain`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from smart_cron.core.cron_fields import MACROS
from smart_cron.core.schedule import Schedule
from smart_cron.core.zones import Span, spans_from, to_instant, to_seconds

_STAR_STEP = re.compile(r"\*/([0-9]+)", re.ASCII)
_ORDINAL = re.compile(r"\b([0-9]+)th\b", re.ASCII)
_SOME_INSTANT = datetime(2000, 1, 1, tzinfo=UTC)


def describe(pattern: str) -> str:
    """Return a pattern as a sentence without its full stop. Raise InvalidScheduleError where it is none."""
    schedule = Schedule.parse(pattern)
    if schedule.is_reboot:
        return "Once, when Smart Cron starts after a boot"
    minute, hour, *rest = MACROS.get(schedule.pattern, schedule.pattern).split()
    # The other fields' stars stay as they are: by them days of month and of week are one rule or two.
    told = " ".join((_step_as_list(minute, 60), _step_as_list(hour, 24), *rest))
    return _ORDINAL.sub(_ordinal, CronSim(told, _SOME_INSTANT).explain())


def _step_as_list(field: str, count: int) -> str:
    """Return a step that does not divide its range as the values that it stands for: it begins anew at each turn."""
    match = _STAR_STEP.fullmatch(field)
    if match is None or (count % int(match[1]) == 0 and int(match[1]) < count):
        return field
    return ",".join(map(str, range(0, count, int(match[1]))))


def _ordinal(match: re.Match[str]) -> str:
    ending = "th" if match[1][-2:] in ("11", "12", "13") else {"1": "st", "2": "nd", "3": "rd"}.get(match[1][-1], "th")
    return match[1] + ending


def remarks(pattern: str, zone: ZoneInfo, start: datetime, end: datetime) -> list[str]:
    """Return a sentence for each clock change in (start, end] that moves, leaves out or repeats slots of a pattern.

    Raise InvalidScheduleError where the pattern is none.
    """
    schedule = Schedule.parse(pattern)
    if schedule.is_reboot:
        return []
    changes = _changes(zone, start, end)
    return [sentence for span in changes if (sentence := _remark(schedule, zone, span)) is not None]


def _changes(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[Span]:
    years = end.astimezone(UTC).year - start.astimezone(UTC).year + 1
    for span in spans_from(zone, to_seconds(start), years=years):
        if span.shift and start < to_instant(span.start) <= end:
            yield span


def _remark(schedule: Schedule, zone: ZoneInfo, span: Span) -> str | None:
    """Compare the local times that the change leaves out or repeats with the slots around it."""
    if schedule.is_hourly and span.shift % 3600 == 0:
        return None
    changed_at = to_instant(span.start)
    width = timedelta(seconds=abs(span.shift))
    old, new = _wall(span.start + span.offset - span.shift), _wall(span.start + span.offset)
    times = _local_times(schedule, min(old, new), min(old, new) + width)
    if not times:
        return None
    direction = "forward" if span.shift > 0 else "back"
    until = f"{new:%H:%M}" if old.date() == new.date() else f"{new:%Y-%m-%d %H:%M}"
    head = f"{old:%Y-%m-%d}: clocks in {zone.key} go {direction} from {old:%H:%M} to {until}"
    return f"{head}; {_effect(schedule, span, times, changed_at.astimezone(zone))}"


def _effect(schedule: Schedule, span: Span, times: list[datetime], after: datetime) -> str:
    shown = f"the slot at {times[0]:%H:%M}" if len(times) == 1 else f"{len(times)} slots from {times[0]:%H:%M} on"
    if span.shift > 0:
        if not schedule.is_wildcard and span.skips:
            return f"{shown} {'runs' if len(times) == 1 else 'run together as one'} at {after:%H:%M}"
        return f"{shown} {'is' if len(times) == 1 else 'are'} left out that day"
    if not schedule.is_wildcard and span.repeats:
        return f"{shown} {'runs' if len(times) == 1 else 'run'} once only, in the first of the two"
    return f"{shown} {'runs' if len(times) == 1 else 'run'} twice"


def _local_times(schedule: Schedule, start: datetime, stop: datetime) -> list[datetime]:
    """Return the matches in [start, stop) of a clock that never changes."""
    before = start - timedelta(microseconds=1)
    return list(schedule.slots(before, stop - timedelta(microseconds=1), ZoneInfo("UTC")))


def _wall(local_seconds: int) -> datetime:
    """Return local seconds as a date and time; its UTC only says that it needs no conversion."""
    return to_instant(local_seconds)
