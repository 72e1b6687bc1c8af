"""Time zones as spans of one offset each, so that a clock change is an edge between two spans and nothing else.

`zoneinfo` tells the offset at an instant but not when it changes; that is found here by looking at every second day
of a year and halving the interval around a difference. No two changes of any known zone are closer than that, which
a test over all zones holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from smart_cron.core.cron_fields import quote
from smart_cron.core.errors import InvalidInputError

DAY_SECONDS = 86_400
# cron(8): changes of less than three hours are handled in a special way, others are corrections of the clock.
CORRECTION_SECONDS = 3 * 3600
MAX_YEAR = 9998
FIRST_INSTANT, LAST_INSTANT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_EPOCH = datetime(1, 1, 1, tzinfo=UTC)
_SAMPLE_SECONDS = 2 * DAY_SECONDS


class Span(NamedTuple):
    """Seconds from `start` to before `stop` during which a zone is `offset` seconds ahead of UTC.

    Seconds count as `date.toordinal() * 86400` does. `shift` is how far the clock was moved at `start`, 0 where
    the span merely begins with a year.
    """

    start: int
    stop: int
    offset: int
    shift: int

    @property
    def skips(self) -> bool:
        """Whether an hour or so of local time was left out at the start, which fixed-time jobs catch up on."""
        return 0 < self.shift < CORRECTION_SECONDS

    @property
    def repeats(self) -> bool:
        """Whether an hour or so of local time comes again at the start, which fixed-time jobs sit out."""
        return -CORRECTION_SECONDS < self.shift < 0


def shifted(instant: datetime, by: timedelta) -> datetime:
    """Return *instant* + *by*; beyond the ends of the calendar the last instant that there is."""
    try:
        return instant + by
    except OverflowError:
        return LAST_INSTANT if by > timedelta(0) else FIRST_INSTANT


def in_zone(instant: datetime, place: tzinfo) -> datetime:
    """Return *instant* in a zone's local time; as it is where the calendar's first or last day has none."""
    try:
        return instant.astimezone(place)
    except OverflowError:
        return instant


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Return the time zone of this name. Raise InvalidInputError where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInputError(
            [f"time zone {quote(name)} is not known, use a name such as Europe/Berlin or UTC"]
        ) from None


def to_seconds(instant: datetime) -> int:
    """Return an aware instant in the seconds of `Span`, fractions cut off towards the past."""
    since = instant - _EPOCH
    return (since.days + 1) * DAY_SECONDS + since.seconds


def to_instant(seconds: int) -> datetime:
    """Return the instant, aware and in UTC, of these seconds."""
    return _EPOCH + timedelta(seconds=seconds - DAY_SECONDS)


def spans_from(zone: ZoneInfo, seconds: int, *, years: int) -> Iterator[Span]:
    """Yield the spans that end after `seconds`, in order, for so many years."""
    first = date.fromordinal(seconds // DAY_SECONDS).year
    for year in range(first, min(first + years, MAX_YEAR) + 1):
        for span in spans_of(zone, year):
            if span.stop > seconds:
                yield span


def spans_until(zone: ZoneInfo, seconds: int, *, years: int) -> Iterator[Span]:
    """Yield the spans that begin before `seconds`, latest first, for so many years."""
    first = min(date.fromordinal(seconds // DAY_SECONDS).year, MAX_YEAR)
    for year in range(first, max(first - years, 2) - 1, -1):
        for span in reversed(spans_of(zone, year)):
            if span.start < seconds:
                yield span


@lru_cache(maxsize=4096)
def spans_of(zone: ZoneInfo, year: int) -> tuple[Span, ...]:
    """Return the spans of one year, which begins and ends with UTC's."""
    start, end = (to_seconds(datetime(y, 1, 1, tzinfo=UTC)) for y in (year, year + 1))
    changes = list(_changes(zone, start, end))
    starts = [start, *(at for at, _ in changes if at > start)]
    offsets = [_offset(zone, at) for at in starts]
    before = [_offset(zone, start - 1), *offsets]
    stops = [*starts[1:], end]
    return tuple(
        Span(begin, stop, offset, offset - former)
        for begin, stop, offset, former in zip(starts, stops, offsets, before, strict=False)
    )


def _changes(zone: ZoneInfo, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (first second of the new offset, new offset) for each change in (start, end)."""
    known = _offset(zone, start)
    at = start
    while at < end - 1:
        ahead = min(at + _SAMPLE_SECONDS, end - 1)
        offset = _offset(zone, ahead)
        if offset != known:
            yield _first_second(zone, at, ahead), offset
            known = offset
        at = ahead


def _first_second(zone: ZoneInfo, before: int, after: int) -> int:
    """Return the first second with the offset that `after` has, given that `before` has another."""
    offset = _offset(zone, after)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(zone, middle) == offset:
            after = middle
        else:
            before = middle
    return after


def _offset(zone: ZoneInfo, seconds: int) -> int:
    offset = to_instant(seconds).astimezone(zone).utcoffset()
    assert offset is not None  # a ZoneInfo always knows
    return offset.days * DAY_SECONDS + offset.seconds
