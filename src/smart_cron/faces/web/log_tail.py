"""The log as it grows: `/stream/log`. Marks are a day and an offset in its file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from django.http import QueryDict

from smart_cron.core.people import Person
from smart_cron.faces.web.live.feed import Growth, Tail
from smart_cron.faces.web.log_html import entries_html
from smart_cron.faces.web.premises import Premises
from smart_cron.logs.criteria import Criteria
from smart_cron.logs.day_log import DayLog, day_files
from smart_cron.logs.levels import WEIGHTS
from smart_cron.logs.pages import onward
from smart_cron.logs.reading import LogReadError

KINDS = ("master", "health", "cleanup", "dashboard")
LONGEST_TEXT = 200
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MARK = re.compile(r"(\d{4}-\d\d-\d\d):(\d{1,15})", re.ASCII)
FILTERS = frozenset({"kind", "level", "text"})


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines somebody wants to see."""

    kind: str = "master"
    level: str = ""
    text: str = ""

    @property
    def criteria(self) -> Criteria:
        """Return it as what the log is read by."""
        return Criteria({"min_level": self.level or None, "message": self.text})


def may_see(person: Person) -> bool:
    """Whether the log is for them: its lines name every task, so not for who is let near some groups only."""
    return person.groups is None


def filter_from(query: QueryDict) -> LogFilter | None:
    """Return the filter of an address, or None for one that is none (SECURITY 25)."""
    kind, level, text = (str(query.get(name, "")) for name in ("kind", "level", "text"))
    kind = kind or "master"
    if kind not in KINDS or (level and level not in WEIGHTS) or len(text) > LONGEST_TEXT:
        return None
    return LogFilter(kind, level, text)


def days_of(directory: Path, kind: str) -> list[str]:
    """Return the days that there are logs of, the newest first: what can be asked for."""
    return [path.name.removeprefix(f"{kind}-")[:10] for path in reversed(day_files(directory, kind))]


def path_of_day(premises: Premises, kind: str, day: str) -> Path | None:
    """Return the file of a day, of those that there are; None for any other word (SECURITY 24)."""
    folder = premises.config.log_dir
    if kind not in KINDS or not _DAY.fullmatch(day) or day not in (*days_of(folder, kind), today(premises, kind)):
        return None
    return folder / f"{kind}-{day}.log"


def today(premises: Premises, kind: str) -> str:
    """Return the day of the lines that are written now."""
    return DayLog(premises.config.log_dir, kind).path_at(datetime.now(UTC)).name.removeprefix(f"{kind}-")[:10]


def find_log(
    premises: Premises, person: Person, name: str, query: QueryDict
) -> tuple[object, Callable[[], Tail]] | None:
    """Return which log is meant and how to follow it; None where it is none of theirs."""
    wanted = filter_from(query)
    if not may_see(person) or name != "log" or wanted is None:
        return None
    return ("log", wanted), lambda: LogTail(premises, wanted)


class LogTail:
    """Follows the files of one kind from day to day."""

    is_over = False

    def __init__(self, premises: Premises, wanted: LogFilter) -> None:
        self._premises, self._kind, self._admit = premises, wanted.kind, wanted.criteria.admit
        self._day, self._offset = today(premises, wanted.kind), 0
        try:
            self._offset = self._path(self._day).stat().st_size
        except FileNotFoundError:
            self._offset = 0

    def head(self) -> str:
        """Return the mark at the end of all that was read."""
        return f"{self._day}:{self._offset}"

    def grow(self) -> Growth | None:
        """Read what came after the head."""
        found = self.between(self._day, self._offset)
        if found is None:
            return None
        before, (self._day, self._offset, html) = self.head(), found
        return Growth(before, self.head(), html)

    def catch_up(self, seen: str) -> Growth:
        """Return what lies between a mark and the head."""
        known = _MARK.fullmatch(seen)
        if known is None or (known[1], int(known[2])) >= (self._day, self._offset):
            return Growth(seen, seen, "")
        until = self._offset if known[1] == self._day else None
        found = self.between(known[1], int(known[2]), until)
        return Growth(seen, seen, "") if found is None else Growth(seen, f"{found[0]}:{found[1]}", found[2])

    def between(self, day: str, offset: int, until: int | None = None) -> tuple[str, int, str] | None:
        """Return where one is after the lines from here on, and these; None where there is none."""
        try:
            found = onward(self._path(day), offset, self._admit)
        except (LogReadError, OSError):
            return None
        if found.end > offset and (until is None or found.end <= until):
            return day, found.end, entries_html(found.entries)
        if until is not None and found.end > until:
            entries = [entry for entry in found.entries if entry[0] < until]
            return day, until, entries_html(entries)
        following = _after(day)
        if following is not None and following <= today(self._premises, self._kind):
            return following, 0, ""
        return None

    def _path(self, day: str) -> Path:
        return self._premises.config.log_dir / f"{self._kind}-{day}.log"


def _after(day: str) -> str | None:
    try:
        return str(date.fromisoformat(day) + timedelta(days=1))
    except (ValueError, OverflowError):
        return None
