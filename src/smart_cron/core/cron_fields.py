"""Reading a cron pattern, strictly: what Debian's cron would silently drop is refused with a sentence here.

The grammar is crontab(5)'s: numbers, names, ranges, lists, and steps after a range or a star. Names in ranges and
lists are taken, as Debian's parser takes them although its manual page says otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from smart_cron.core.errors import InvalidScheduleError

MAX_PATTERN_LENGTH = 255
REBOOT = "@reboot"
MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
LONGEST_MONTHS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_TERM = re.compile(r"(?:\*|(?P<first>[0-9a-z]+)(?:-(?P<last>[0-9a-z]+))?)(?:/(?P<step>[0-9]+))?")
_EXTRA = re.compile(r"[0-9a-z]*[l#w?][0-9a-z]*")


class FieldKind(NamedTuple):
    """One of the five places of a pattern: what it is called, which numbers and names it takes."""

    title: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """Say what this field takes, for the end of an error sentence."""
        named = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.low}-{self.high}{named}"


MINUTE = FieldKind("minute", 0, 59)
HOUR = FieldKind("hour", 0, 23)
DAY_OF_MONTH = FieldKind("day of month", 1, 31)
MONTH = FieldKind("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"))
DAY_OF_WEEK = FieldKind("day of week", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat"))
KINDS = (MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK)


@dataclass(frozen=True, slots=True, kw_only=True)
class CronFields:
    """The five fields as sorted numbers, and what their first characters decide.

    Days of the week run from 0, Sunday, to 6. `is_wildcard`: minute or hour begin with a star, so the job follows
    the clock through its changes (cron(8)). `needs_both_days`: one of the day fields begins with a star, so a day
    has to suit both, else either (crontab(5)).
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    is_wildcard: bool
    needs_both_days: bool


def read_fields(pattern: str) -> CronFields:
    """Read five fields or an `@` word other than `@reboot`. Raise InvalidScheduleError with every problem found."""
    text = normalise(pattern)
    parts = MACROS.get(text, text).split()
    problems = _shape_problems(text, parts)
    if problems:
        raise _refusal(pattern, problems)
    sets = [_read_field(kind, part, problems) for kind, part in zip(KINDS, parts, strict=True)]
    if problems:
        raise _refusal(pattern, problems)
    fields = _assemble(parts, sets)
    if not _can_fire(fields):
        raise _refusal(pattern, ["it can never fire, as no month that it names has such a day; change one of the two"])
    return fields


def normalise(pattern: str) -> str:
    """Return the pattern in lower case with single blanks. Raise InvalidScheduleError for what cannot be text of one.

    Only ASCII is lowered, so that look-alikes such as a dotless i never become a name.
    """
    problem = _text_problem(pattern)
    if problem:
        raise _refusal(pattern, [problem])
    return " ".join(pattern.lower().split())


def quote(text: str) -> str:
    """Return text fit for an error line: ASCII, escaped, at most some 60 characters."""
    shown = text if len(text) <= 60 else text[:57] + "..."
    return "'" + shown.encode("unicode_escape").decode("ascii") + "'"


def _text_problem(pattern: str) -> str | None:
    if len(pattern) > MAX_PATTERN_LENGTH:
        return f"it has {len(pattern)} characters and at most {MAX_PATTERN_LENGTH} are allowed"
    if not pattern.strip(" \t"):
        return "it is empty, write five fields such as '0 2 * * *' (daily at 02:00)"
    strange = next((c for c in pattern if c != "\t" and not " " <= c <= "~"), None)
    if strange is not None:
        return f"it contains the character {quote(strange)}, only printable ASCII, blanks and tabs are allowed"
    return None


def _shape_problems(text: str, parts: list[str]) -> list[str]:
    if text.startswith("@"):
        known = ", ".join((REBOOT, *MACROS))
        return [] if text in MACROS else [f"'{text[:20]}' is not known, use one of {known}"]
    if len(parts) == 6:
        return ["it has six fields and seconds are not supported, leave the seconds away"]
    if len(parts) != 5:
        return [f"it has {len(parts)} fields where five are needed: minute hour day-of-month month day-of-week"]
    return []


def _read_field(kind: FieldKind, text: str, problems: list[str]) -> frozenset[int]:
    values: set[int] = set()
    for term in text.split(","):
        try:
            values.update(_read_term(kind, term))
        except ValueError as fault:
            problems.append(f"{kind.title} {quote(term)} {fault}")
    return frozenset(values)


def _read_term(kind: FieldKind, term: str) -> range:
    """Return the numbers of one term of a list. Raise ValueError with the end of a sentence."""
    match = _TERM.fullmatch(term)
    if match is None:
        raise ValueError(_unreadable(kind, term))
    step = _read_step(match["step"])
    if match["first"] is None:
        return range(kind.low, kind.high + 1, step)
    first = _read_number(kind, match["first"])
    if match["last"] is None:
        if match["step"] is not None:
            raise ValueError(
                f"has a step after a single value, write {first}-{kind.high}/{step} for every {step} from {first}"
            )
        return range(first, first + 1)
    last = _read_number(kind, match["last"])
    if last < first:
        raise ValueError(_reversed(kind, match["first"], match["last"]))
    return range(first, last + 1, step)


def _unreadable(kind: FieldKind, term: str) -> str:
    if not term:
        return f"is missing, give {kind.allowed} between the commas"
    if _EXTRA.fullmatch(term):
        return f"uses L, W, # or ?, which cron does not know, use {kind.allowed}"
    return f"cannot be read, use *, {kind.allowed}, a range a-b, a list a,b, or a step a-b/n"


def _reversed(kind: FieldKind, first: str, last: str) -> str:
    if kind is DAY_OF_WEEK and last in ("0", "sun"):
        return f"is a range that runs backwards, write {first}-7 (7 is Sunday too)"
    return f"is a range that runs backwards, write {first}-{kind.high},{kind.low}-{last}"


def _read_step(text: str | None) -> int:
    if text is None:
        return 1
    # Nine digits are beyond every field already; int() of a long text is slow.
    if len(text) > 9 or int(text) == 0:
        raise ValueError("has a step that is zero or too large, use 1 or more")
    return int(text)


def _read_number(kind: FieldKind, text: str) -> int:
    if text in kind.names:
        return kind.low + kind.names.index(text)
    if not text.isdigit():
        raise ValueError(_unreadable(kind, text) if _EXTRA.fullmatch(text) else f"is not known, use {kind.allowed}")
    if len(text) > 9 or not kind.low <= int(text) <= kind.high:
        raise ValueError(f"is out of range, use {kind.allowed}")
    return int(text)


def _assemble(parts: list[str], sets: list[frozenset[int]]) -> CronFields:
    minutes, hours, days, months, weekdays = sets
    minute, hour, day, _, weekday = parts
    return CronFields(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=days,
        months=months,
        weekdays=frozenset(number % 7 for number in weekdays),
        is_wildcard=minute.startswith("*") or hour.startswith("*"),
        needs_both_days=day.startswith("*") or weekday.startswith("*"),
    )


def _can_fire(fields: CronFields) -> bool:
    """Whether one of the months is long enough.

    Every possible date falls on each weekday within the 400 years of the calendar, so weekdays exclude nothing.
    """
    longest = max(LONGEST_MONTHS[month] for month in fields.months)
    return not fields.needs_both_days or min(fields.days) <= longest


def _refusal(pattern: str, problems: list[str]) -> InvalidScheduleError:
    first, *others = problems
    return InvalidScheduleError([f"schedule {quote(pattern)}: {first}", *others])
