"""Points in time as people write them: with a zone as given, without one in a zone that is handed in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from smart_cron.core.schedule import MAX_YEARS
from smart_cron.core.spans import UNITS
from smart_cron.core.zones import MAX_YEAR

FORMS = "2026-11-23, '2026-11-23 02:30', 2026-11-23T02:30:00Z, 2026-11-23T02:30+01:00, now, -2h or -7d"
_RELATIVE = re.compile(r"([+-])([0-9]{1,9})\s*(s|m|min|h|d|w)", re.ASCII)
_ABSOLUTE = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,6})?)?\s?(Z|z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
FIRST_YEAR = 1970
# How far ahead slots are told to whoever asks over the network: counting them takes longer by the year. It is as far as
# a schedule looks for its next slot.
FORESIGHT = timedelta(days=365 * MAX_YEARS)
_WEEK_SECONDS = 7 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An instant that was asked for, aware and in UTC.

    `width` is how exactly it was written; `remark` says what a person should know of a local time that a clock change
    makes twice or never.
    """

    at: datetime
    width: timedelta
    remark: str | None = None


def moment_of(text: str, *, now: datetime, place: ZoneInfo) -> Moment | None:
    """Read a point in time; None where the text is none."""
    text = text.strip()
    return _relative(text, now) or _absolute(text, place)


def is_in_reach(at: datetime) -> bool:
    """Whether it lies in a year in which something is planned, and near which every zone's clock can be told."""
    return FIRST_YEAR <= at.year <= MAX_YEAR


def _relative(text: str, now: datetime) -> Moment | None:
    exact = timedelta(microseconds=1)
    if text == "now":
        return Moment(at=now, width=exact)
    match = _RELATIVE.fullmatch(text)
    if match is None:
        return None
    seconds = int(match[2]) * ({"w": _WEEK_SECONDS} | UNITS)[match[3]]
    try:
        return Moment(at=now + timedelta(seconds=seconds if match[1] == "+" else -seconds), width=exact)
    except OverflowError:
        return None


def _absolute(text: str, place: ZoneInfo) -> Moment | None:
    match = _ABSOLUTE.fullmatch(text)
    if match is None:
        return None
    day, minute, second, offset = match.groups()
    width = timedelta(microseconds=1) if second else timedelta(minutes=1)
    try:
        written = datetime.fromisoformat(f"{day}T{minute or '00:00'}{second or ''}{(offset or '').upper()}")
        return _in_place(written, place, width) if offset is None else Moment(at=written.astimezone(UTC), width=width)
    except (ValueError, OverflowError):
        return None


def _in_place(written: datetime, place: ZoneInfo, width: timedelta) -> Moment:
    """Read a local time: the first of two, and for one that never was the moment when the clock passed it."""
    first, second = (written.replace(tzinfo=place, fold=fold) for fold in (0, 1))
    shown = f"{written:%Y-%m-%d %H:%M}"
    if first.utcoffset() == second.utcoffset():
        return Moment(at=first.astimezone(UTC), width=width)
    if first.astimezone(UTC).astimezone(place).replace(tzinfo=None) == written:
        remark = (
            f"{shown} came twice in {place.key}: the first is meant, write {second.isoformat()[-6:]} for the second."
        )
        return Moment(at=first.astimezone(UTC), width=width, remark=remark)
    changed = _change_between(second.astimezone(UTC), first.astimezone(UTC), place)
    new = changed.astimezone(place)
    remark = f"{shown} never was in {place.key}: clocks went forward past it, to {new:%H:%M}, and that moment is meant."
    return Moment(at=changed, width=width, remark=remark)


def _change_between(before: datetime, after: datetime, place: ZoneInfo) -> datetime:
    """Return the first second with the offset that `after` has."""
    new = after.astimezone(place).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(place).utcoffset() == new:
            after = middle
        else:
            before = middle
    return after
