"""Once an ISO week: what the logs of the last seven days warned of, grouped by text.

A busy node writes millions of lines a week. Days that are over are counted once and remembered in the state directory,
so that whoever is ended amid goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from smart_cron.core.alert import WEEKLY_DIGEST, Alarm, AlertType, Cause, Severity
from smart_cron.core.health import CheckStatus, Finding
from smart_cron.logs.day_log import day_files
from smart_cron.logs.reading import LogReadError, entries_with
from smart_cron.services.health.tally import Group, Tallies, Tally

NAME = WEEKLY_DIGEST
DAY = timedelta(days=1)
DAYS = 7
# What the checks found is told by alerts; a digest of it would tell it again.
LOGS = ("master", "cleanup")
GROUPS = 10
_LEVEL = "WARNING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """What was warned of, the most frequent first. `since` is the first day of the logs, where they cover less.

    `gaps` are sentences about files of which not all could be read.
    """

    groups: Sequence[Group] = ()
    since: str = ""
    gaps: tuple[str, ...] = ()


def week_of(now: datetime) -> str:
    """Return the ISO week, such as `2026-W48`."""
    year, week, _ = now.isocalendar()
    return f"{year}-W{week:02d}"


def is_due(last: Mapping[str, object], now: datetime) -> bool:
    """Whether this week has had none yet; *last* are the details of the latest one."""
    return last.get("week") != week_of(now)


def has_past(log_dir: Path, *, now: datetime) -> bool:
    """Whether the logs reach back over a whole day at least: what began just now has no week to tell of."""
    first = _first_day(log_dir)
    return bool(first) and first <= _day(now - 2 * DAY)


def look_back(log_dir: Path, tallies: Tallies, *, now: datetime) -> Week:
    """Count the WARNING messages of today and of the seven days before, by the machine's zone as the files are."""
    first, today = _day(now - DAYS * DAY), _day(now)
    sum_of, gaps = Tally(), list[str]()
    for path in _files(log_dir, since=first):
        tally = tallies.of(path.name)
        if tally is None:
            tally, gap = _counted(path)
            gaps += [gap] if gap else []
            if _date_of(path) < today and not gap:
                tallies.keep(path.name, tally)
        sum_of.add_all(tally)
    begin = _first_day(log_dir)
    return Week(groups=sum_of.groups(), since=begin if begin > first else "", gaps=tuple(gaps))


def _files(log_dir: Path, *, since: str) -> Iterator[Path]:
    for kind in LOGS:
        yield from (path for path in day_files(log_dir, kind) if _date_of(path) >= since)


def _counted(path: Path) -> tuple[Tally, str]:
    """Return what a file warned of, and why that is not all of it, or nothing."""
    tally = Tally()
    try:
        for entry in entries_with(path, _LEVEL.encode()):
            if entry.get("level") == _LEVEL:
                tally.add(str(entry.get("message", "")))
    except LogReadError as error:
        return tally, error.message
    return tally, ""


def _first_day(log_dir: Path) -> str:
    days = [_date_of(path) for kind in LOGS for path in day_files(log_dir, kind)[:1]]
    return min(days, default="")


def _day(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d}"


def _date_of(path: Path) -> str:
    return path.name.split(".", 1)[0][-len("2026-03-01") :]


def digest(week: Week, *, node: str, now: datetime) -> tuple[Finding, Alarm | None]:
    """Return the row that says that this week had its digest, and the alert where there is something to tell."""
    total = sum(group.count for group in week.groups)
    sentence = f"{total} warnings were logged {_span(week)}, with {len(week.groups)} texts."
    gaps = "".join(f" Not all was read: {gap}" for gap in week.gaps)
    finding = Finding(
        check=NAME,
        status=CheckStatus.OK,
        message=f"{sentence}{gaps}",
        measured=float(total),
        unit="warnings",
        node=node,
        details={"week": week_of(now)},
    )
    if not week.groups:
        return finding, None
    shown = [f"{group.count} × {group.example}" for group in week.groups[:GROUPS]]
    alarm = Alarm(
        cause=Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype=NAME, node=node),
        severity=Severity.INFO,
        message=f"{sentence}{gaps} Most often: {shown[0]}",
        details={"week": week_of(now), "warnings": shown},
    )
    return finding, alarm


def _span(week: Week) -> str:
    return f"since {week.since}, when the logs begin" if week.since else f"in the last {DAYS} days"


def forget(tallies: Tallies) -> None:
    """Let go of what was counted, once it is told."""
    with suppress(OSError):
        tallies.clear()
