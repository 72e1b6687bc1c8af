"""Slots: the instants at which a pattern fires in a time zone, by the rules of Debian's cron.

`cron_fields` reads the pattern, `cron_calendar` matches it against local time, `zones` says where local time jumps;
this file puts them together. The rules at a clock change are those of cron(8): a job with a star at the beginning of
its minute or hour follows the clock as it goes; one with a fixed time runs right after a skipped hour that held it,
and only the first time in an hour that comes twice; a change of three hours or more is a correction of the clock,
after which the new time simply holds.

An engine of our own and not cronsim's, because cronsim's answers near such changes can lie before the instant asked
about, leave slots out (half-hour changes), or never come, and because counting the slots of a long outage must not
walk through them. Tests hold it against cronsim and against a matcher that tries every minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from smart_cron.core.cron_calendar import CronCalendar
from smart_cron.core.cron_fields import REBOOT, normalise, quote, read_fields
from smart_cron.core.errors import InvalidScheduleError
from smart_cron.core.zones import Span, spans_from, spans_until, to_instant, to_seconds, zone

__all__ = ["Schedule", "zone"]

# The rarest pattern, 29 February on one weekday, has 40 years between two slots around the year 2100.
MAX_YEARS = 50


@dataclass(frozen=True, slots=True)
class Schedule:
    """A pattern that was read and can fire. Equal patterns make equal schedules; `parse` makes them.

    Instants handed in are aware; instants handed out are aware and in UTC, on whole seconds.
    """

    pattern: str
    calendar: CronCalendar | None = field(compare=False, repr=False)

    @staticmethod
    def parse(pattern: str) -> Schedule:
        """Read five fields or an `@` word. Raise InvalidScheduleError with one sentence for each problem."""
        return _parse(pattern)

    @property
    def is_reboot(self) -> bool:
        """Whether this is `@reboot`, which has no slots."""
        return self.calendar is None

    @property
    def is_wildcard(self) -> bool:
        """Whether the job follows the clock through its changes: minute or hour begin with a star."""
        return self.calendar is not None and self.calendar.is_wildcard

    @property
    def is_hourly(self) -> bool:
        """Whether every hour looks like any other, so that a change by whole hours moves nothing."""
        return self.is_wildcard and self.calendar is not None and self.calendar.is_hourly

    def next_after(self, instant: datetime, zone: ZoneInfo) -> datetime:
        """Return the first slot strictly later than `instant`.

        Raise InvalidScheduleError for `@reboot`, and where no slot is found within 50 years.
        """
        return _next_after(self, instant, zone)

    def previous(self, before: datetime, zone: ZoneInfo) -> datetime | None:
        """Return the last slot strictly earlier than `before`, or None where 50 years have none."""
        # A slot lies on a whole second: strictly earlier than 12:00:00.5 includes 12:00:00.
        stop = to_seconds(before) + (before.microsecond > 0)
        if self.calendar is None:
            return None
        for span in spans_until(zone, stop, years=MAX_YEARS):
            found = _last_in(self.calendar, span, stop)
            if found is not None:
                return to_instant(found)
        return None

    def slots(self, after: datetime, until: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """Yield the slots with after < slot <= until, earliest first, one at a time."""
        if self.calendar is None or after >= until:
            return
        done, last = to_seconds(after), to_seconds(until)
        for span in _spans_between(zone, done, last):
            found = _first_in(self.calendar, span, done)
            while found is not None and found <= last:
                yield to_instant(found)
                done = found
                found = _first_in(self.calendar, span, done)

    def count_between(self, after: datetime, until: datetime, zone: ZoneInfo) -> int:
        """Return how many slots have after < slot <= until, without walking through them."""
        if self.calendar is None or after >= until:
            return 0
        done, last = to_seconds(after), to_seconds(until)
        return sum(_count_in(self.calendar, span, done, last) for span in _spans_between(zone, done, last))

    def last_between(self, after: datetime, until: datetime, zone: ZoneInfo) -> datetime | None:
        """Return the newest slot with after < slot <= until, or None."""
        if self.calendar is None or after >= until:
            return None
        stop = to_seconds(until) + 1
        for span in spans_until(zone, stop, years=_years_between(after, until)):
            found = _last_in(self.calendar, span, stop)
            if found is not None:
                return to_instant(found) if found > to_seconds(after) else None
        return None


@lru_cache(maxsize=8192)
def _parse(pattern: str) -> Schedule:
    text = normalise(pattern)
    return Schedule(text, None if text == REBOOT else CronCalendar(read_fields(text)))


# Thousands of tasks share a slot, and planning asks for all of them with the same `now`.
@lru_cache(maxsize=16_384)
def _next_after(schedule: Schedule, instant: datetime, zone: ZoneInfo) -> datetime:
    if schedule.calendar is None:
        raise InvalidScheduleError([f"schedule '{REBOOT}' has no slots, it runs when Smart Cron starts after a boot"])
    done = to_seconds(instant)
    for span in spans_from(zone, done, years=MAX_YEARS):
        found = _first_in(schedule.calendar, span, done)
        if found is not None:
            return to_instant(found)
    shown = f"schedule {quote(schedule.pattern)}"
    raise InvalidScheduleError([f"{shown} has no slot in {zone.key} in {MAX_YEARS} years from {instant:%Y-%m-%d} on"])


def _spans_between(zone: ZoneInfo, done: int, last: int) -> Iterator[Span]:
    for span in spans_from(zone, done, years=_years_between(to_instant(done), to_instant(last))):
        if span.start > last:
            return
        yield span


def _years_between(after: datetime, until: datetime) -> int:
    return until.astimezone(UTC).year - after.astimezone(UTC).year + 1


def _first_in(calendar: CronCalendar, span: Span, done: int) -> int | None:
    """Return the first slot of a span later than `done`, in UTC seconds."""
    if done < span.start and _catches_up(calendar, span):
        return span.start
    begin, end = _bounds(calendar, span)
    match = calendar.first(max(begin, _minute(done + 1 + span.offset)), end)
    return None if match is None else match * 60 - span.offset


def _last_in(calendar: CronCalendar, span: Span, stop: int) -> int | None:
    """Return the last slot of a span earlier than `stop`, in UTC seconds."""
    begin, end = _bounds(calendar, span)
    end = min(end, _minute(stop + span.offset))
    match = calendar.last(begin, end) if begin < end else None
    if match is not None:
        return match * 60 - span.offset
    return span.start if span.start < stop and _catches_up(calendar, span) else None


def _count_in(calendar: CronCalendar, span: Span, done: int, last: int) -> int:
    """Count the slots of a span later than `done` and not later than `last`, in UTC seconds."""
    begin, end = _bounds(calendar, span)
    begin, end = max(begin, _minute(done + 1 + span.offset)), min(end, _minute(last + 1 + span.offset))
    caught_up = done < span.start <= last and _catches_up(calendar, span)
    return calendar.count(begin, end) + caught_up


def _bounds(calendar: CronCalendar, span: Span) -> tuple[int, int]:
    """Return the local minutes [begin, end) whose matches are slots of this span.

    A fixed-time job sits out minutes that came before already. Where it catches up at the very start, a match there
    is that same slot, so it is left out here.
    """
    begin = span.start + span.offset
    if span.shift and not calendar.is_wildcard:
        if span.repeats:
            begin -= span.shift
        elif _catches_up(calendar, span):
            begin += 1
    return _minute(begin), _minute(span.stop + span.offset)


def _catches_up(calendar: CronCalendar, span: Span) -> bool:
    """Whether a fixed-time job has a match in the local time that was skipped when this span began."""
    if calendar.is_wildcard or not span.skips:
        return False
    end = span.start + span.offset
    return calendar.first(_minute(end - span.shift), _minute(end)) is not None


def _minute(seconds: int) -> int:
    """Return the first whole local minute that does not begin before these local seconds."""
    return -(-seconds // 60)
