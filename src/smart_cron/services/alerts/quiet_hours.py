"""Times of day at which a channel keeps silent, and at which its digest goes out. Local to the installation's zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from smart_cron.core.errors import InvalidInputError

_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """From a time of day to another, past midnight where the end is not after the start."""

    start: time
    end: time

    def holds(self, at: time) -> bool:
        """Whether this time of day is in them; the end is not."""
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end

    def end_of(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """Return when those that hold now are over, or None where it is not quiet."""
        return next_at(self.end, now, zone) if self.holds(now.astimezone(zone).time()) else None


def next_at(wanted: time, now: datetime, zone: ZoneInfo) -> datetime:
    """Return the next instant after *now* at which clocks in *zone* show this time of day; in UTC."""
    day = now.astimezone(zone).date()
    for days in range(3):
        found = datetime.combine(day + timedelta(days=days), wanted, tzinfo=zone).astimezone(UTC)
        if found > now:
            return found
    raise AssertionError("a time of day comes every day")


def read_quiet_hours(text: str) -> QuietHours | None:
    """Return the hours in `22:00-06:00`, None where there are none. Raise InvalidInputError for anything else."""
    if not text.strip():
        return None
    first, dash, last = text.partition("-")
    if not dash or read_time(first) == read_time(last):
        raise InvalidInputError([f"'{text}' are no quiet hours; write them as 22:00-06:00"])
    return QuietHours(start=read_time(first), end=read_time(last))


def read_time(text: str) -> time:
    """Return the time of day in `08:00`. Raise InvalidInputError for anything else."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise InvalidInputError([f"'{text.strip()}' is no time of day; write it as 08:00"])
    return time(int(found[1]), int(found[2]))
