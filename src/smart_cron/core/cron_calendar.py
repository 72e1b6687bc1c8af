"""Matching fields against a calendar without zones: pure arithmetic on local minutes.

A *local minute* is `date.toordinal() * 1440 + minute of the day`. Hours and minutes are looked up by bisection and
days are tested one by one, so that counting ten years of a minute task costs thousands of steps, not millions.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date

from smart_cron.core.cron_fields import CronFields

MINUTES_PER_DAY = 1440
LAST_DAY = date.max.toordinal()
SHORTEST_MONTHS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class CronCalendar:
    """The local minutes that five cron fields match."""

    __slots__ = ("_every_day", "_fields", "_hour_set", "_hours", "_minutes", "_per_day", "is_hourly", "is_wildcard")

    def __init__(self, fields: CronFields) -> None:
        self._fields = fields
        self.is_wildcard = fields.is_wildcard
        self.is_hourly = len(fields.hours) == 24
        self._minutes, self._hours = fields.minutes, fields.hours
        self._hour_set = frozenset(fields.hours)
        self._per_day = len(fields.minutes) * len(fields.hours)
        self._every_day = len(fields.months) == 12 and self._takes_every_day_of_a_month()

    def first(self, start: int, stop: int) -> int | None:
        """Return the earliest match in [start, stop), or None."""
        day, minute = divmod(start, MINUTES_PER_DAY)
        if self._matches(day):
            found = self._time_from(minute)
            if found is not None:
                match = day * MINUTES_PER_DAY + found
                return match if match < stop else None
        for later in self._days_from(day + 1, stop):
            match = later * MINUTES_PER_DAY + self._hours[0] * 60 + self._minutes[0]
            return match if match < stop else None
        return None

    def last(self, start: int, stop: int) -> int | None:
        """Return the latest match in [start, stop), or None."""
        day, minute = divmod(stop, MINUTES_PER_DAY)
        while day * MINUTES_PER_DAY + minute > start:
            if self._matches(day):
                found = self._time_before(minute)
                if found is not None:
                    match = day * MINUTES_PER_DAY + found
                    return match if match >= start else None
            day, minute = self._day_before(day), MINUTES_PER_DAY
        return None

    def count(self, start: int, stop: int) -> int:
        """Return how many matches lie in [start, stop)."""
        return self._count_before(stop, start) - self._rank(start) if start < stop else 0

    def _count_before(self, stop: int, start: int) -> int:
        """Count the matches from the beginning of the day of `start` to `stop`."""
        first_day, last_day = start // MINUTES_PER_DAY, stop // MINUTES_PER_DAY
        if self._every_day:
            whole = last_day - first_day
        else:
            whole = sum(1 for _ in self._days_from(first_day, last_day * MINUTES_PER_DAY))
        return whole * self._per_day + self._rank(stop)

    def _rank(self, minute: int) -> int:
        """Return how many matches its own day has before this local minute."""
        day, time = divmod(minute, MINUTES_PER_DAY)
        if time == 0 or not self._matches(day):
            return 0
        hour, rest = divmod(time, 60)
        within = bisect_left(self._minutes, rest) if hour in self._hour_set else 0
        return bisect_left(self._hours, hour) * len(self._minutes) + within

    def _time_from(self, minute: int) -> int | None:
        hour, rest = divmod(minute, 60)
        if hour in self._hour_set:
            place = bisect_left(self._minutes, rest)
            if place < len(self._minutes):
                return hour * 60 + self._minutes[place]
        place = bisect_right(self._hours, hour)
        return self._hours[place] * 60 + self._minutes[0] if place < len(self._hours) else None

    def _time_before(self, minute: int) -> int | None:
        hour, rest = divmod(minute, 60)
        if hour in self._hour_set:
            place = bisect_left(self._minutes, rest)
            if place:
                return hour * 60 + self._minutes[place - 1]
        place = bisect_left(self._hours, hour)
        return self._hours[place - 1] * 60 + self._minutes[-1] if place else None

    def _days_from(self, day: int, stop: int) -> Iterator[int]:
        """Yield the matching days from `day` on, as long as they begin before the local minute `stop`."""
        last = min((stop - 1) // MINUTES_PER_DAY, LAST_DAY)
        while day <= last:
            at = date.fromordinal(day)
            if at.month not in self._fields.months:
                # February counts 28 here; where it has a 29th, that day is the next step.
                day += max(1, SHORTEST_MONTHS[at.month] - at.day + 1)
                continue
            if self._suits(at):
                yield day
            day += 1

    def _day_before(self, day: int) -> int:
        """Return the day before, or the last day of the month before where this day's month is not wanted."""
        at = date.fromordinal(day)
        return day - (1 if at.month in self._fields.months else at.day)

    def _matches(self, day: int) -> bool:
        if self._every_day:
            return True
        at = date.fromordinal(day)
        return at.month in self._fields.months and self._suits(at)

    def _suits(self, at: date) -> bool:
        by_month, by_week = at.day in self._fields.days, at.isoweekday() % 7 in self._fields.weekdays
        return (by_month and by_week) if self._fields.needs_both_days else (by_month or by_week)

    def _takes_every_day_of_a_month(self) -> bool:
        all_days, all_weekdays = len(self._fields.days) == 31, len(self._fields.weekdays) == 7
        return (all_days and all_weekdays) if self._fields.needs_both_days else (all_days or all_weekdays)
