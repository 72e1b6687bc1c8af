"""A second opinion on cron: patterns drawn together with what they mean, and a daemon that lives through every minute.

It shares no code and no idea with the product: no parser (meaning and text are drawn side by side), no spans, no
arithmetic. It walks from minute to minute as cron(8) describes its daemon and remembers how far local time has come.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

MINUTE = timedelta(minutes=1)
THREE_HOURS = timedelta(hours=3)
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True)
class Drawn:
    """One field: its text, and the numbers it means."""

    text: str
    numbers: frozenset[int]

    @property
    def is_star(self) -> bool:
        return self.text.startswith("*")


@dataclass(frozen=True)
class DrawnPattern:
    minute: Drawn
    hour: Drawn
    day: Drawn
    month: Drawn
    weekday: Drawn

    @property
    def text(self) -> str:
        return " ".join(f.text for f in (self.minute, self.hour, self.day, self.month, self.weekday))

    def matches(self, at: datetime) -> bool:
        by_month = at.day in self.day.numbers
        by_week = bool({at.isoweekday(), at.isoweekday() % 7} & self.weekday.numbers)
        both = self.day.is_star or self.weekday.is_star
        return (
            at.minute in self.minute.numbers
            and at.hour in self.hour.numbers
            and at.month in self.month.numbers
            and ((by_month and by_week) if both else (by_month or by_week))
        )


def live_through(pattern: DrawnPattern, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield when a daemon that wakes up every minute would start the job, after < start <= until."""
    wildcard = pattern.minute.is_star or pattern.hour.is_star
    # It has to know local time from before any repeated hours that `after` may lie in.
    now = after.replace(second=0, microsecond=0) - THREE_HOURS - timedelta(hours=1)
    done = _wall(now, zone)
    while (now := now + MINUTE) <= until:
        wall = _wall(now, zone)
        ahead = wall - done
        if wildcard or ahead >= THREE_HOURS + MINUTE or ahead <= MINUTE - THREE_HOURS:
            wanted = [wall]
        else:
            wanted = [done + MINUTE * n for n in range(1, ahead // MINUTE + 1)]
        done = wall if wanted else done
        if now > after and any(pattern.matches(at) for at in wanted):
            yield now


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _field(low: int, high: int, names: tuple[str, ...] = ()) -> st.SearchStrategy[Drawn]:
    def spell(number: int, named: bool) -> str:
        return names[number - low].upper() if named and number - low < len(names) else str(number)

    numbers = st.integers(low, high)
    star = st.just(Drawn("*", frozenset(range(low, high + 1))))
    star_step = st.integers(1, high + 2).map(lambda n: Drawn(f"*/{n}", frozenset(range(low, high + 1, n))))
    single = st.builds(lambda n, named: Drawn(spell(n, named), frozenset((n,))), numbers, st.booleans())
    span = st.tuples(numbers, numbers).map(lambda pair: (min(pair), max(pair)))
    ranges = st.tuples(span, st.booleans()).map(
        lambda t: Drawn(f"{spell(t[0][0], t[1])}-{spell(t[0][1], t[1])}", frozenset(range(t[0][0], t[0][1] + 1)))
    )
    stepped = st.tuples(span, st.integers(1, 9)).map(
        lambda t: Drawn(f"{t[0][0]}-{t[0][1]}/{t[1]}", frozenset(range(t[0][0], t[0][1] + 1, t[1])))
    )
    term = st.one_of(single, ranges, stepped)
    several = st.lists(term, min_size=2, max_size=3).map(
        lambda terms: Drawn(",".join(t.text for t in terms), frozenset().union(*(t.numbers for t in terms)))
    )
    return st.one_of(star, star_step, single, ranges, stepped, several)


MINUTES = _field(0, 59)
HOURS = _field(0, 23)
PATTERNS = st.builds(
    DrawnPattern,
    minute=MINUTES,
    hour=HOURS,
    day=_field(1, 31),
    month=_field(1, 12, MONTHS),
    weekday=_field(0, 7, DAYS),
)
EVERY_DAY = Drawn("*", frozenset(range(32)))
DAILY_PATTERNS = st.builds(
    DrawnPattern,
    minute=MINUTES,
    hour=HOURS,
    day=st.just(EVERY_DAY),
    month=st.just(EVERY_DAY),
    weekday=st.just(EVERY_DAY),
)

# Half an hour, two hours, half past midnight, midnight itself, a month of summer time less in Ramadan, whole days.
ODD_ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Pacific/Auckland",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "Africa/Casablanca",
    "America/Havana",
    "Africa/Cairo",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Antarctica/Casey",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Europe/Dublin",
)
INSTANTS = st.datetimes(datetime(1975, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC))
