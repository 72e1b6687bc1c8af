"""Once an ISO week: what the logs of the last seven days warned of, grouped by text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice, takewhile
from pathlib import Path
from typing import Any

from smart_cron.core.alert import Alarm, AlertType, Cause, Severity
from smart_cron.core.health import CheckStatus, Finding
from smart_cron.logs.day_log import day_files
from smart_cron.logs.reading import entries_backwards

NAME = "weekly_digest"
DAY = timedelta(days=1)
SPAN = 7 * DAY
# What the checks found is told by alerts; a digest of it would tell it again.
LOGS = ("master", "cleanup")
READ_LINES = 500_000
GROUPS = 10
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Warnings that differ in numbers only: how many, and one of them."""

    count: int
    example: str


def week_of(now: datetime) -> str:
    """Return the ISO week, such as `2026-W48`."""
    year, week, _ = now.isocalendar()
    return f"{year}-W{week:02d}"


def is_due(last: Mapping[str, object], now: datetime) -> bool:
    """Whether this week has had none yet; *last* are the details of the latest one."""
    return last.get("week") != week_of(now)


def has_past(log_dir: Path, *, now: datetime) -> bool:
    """Whether the logs reach back over a whole day at least: what began just now has no week to tell of."""
    until = f"{now.astimezone() - 2 * DAY:%Y-%m-%d}"
    return any(_date_of(path) <= until for kind in LOGS for path in day_files(log_dir, kind)[:1])


def warnings(log_dir: Path, *, now: datetime) -> Iterator[str]:
    """Yield the WARNING messages of the last seven days, newest first."""
    since = (now - SPAN).isoformat()
    for kind in LOGS:
        files = reversed(day_files(log_dir, kind))
        entries = islice(chain.from_iterable(map(entries_backwards, files)), READ_LINES)
        for entry in takewhile(lambda entry: _told_at(entry) >= since, entries):
            if entry.get("level") == "WARNING":
                yield str(entry.get("message", ""))


def _date_of(path: Path) -> str:
    return path.name.split(".", 1)[0][-len("2026-03-01") :]


def _told_at(entry: Mapping[str, Any]) -> str:
    """Instants of our lines sort as text; one without is taken as new."""
    return str(entry.get("utc") or "9999").replace("Z", "+00:00")


def grouped(messages: Iterable[str]) -> list[Group]:
    """Return the messages by text, the most frequent first."""
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for message in messages:
        text = _NUMBER.sub("#", message)
        counts[text] += 1
        examples.setdefault(text, message)
    return [Group(count=number, example=examples[text]) for text, number in counts.most_common()]


def digest(groups: list[Group], *, node: str, now: datetime) -> tuple[Finding, Alarm | None]:
    """Return the row that says that this week had its digest, and the alert where there is something to tell."""
    total = sum(group.count for group in groups)
    sentence = f"{total} warnings were logged in the last 7 days, with {len(groups)} texts."
    finding = Finding(
        check=NAME,
        status=CheckStatus.OK,
        message=sentence,
        measured=float(total),
        unit="warnings",
        node=node,
        details={"week": week_of(now)},
    )
    if not groups:
        return finding, None
    shown = [f"{group.count} × {group.example}" for group in groups[:GROUPS]]
    alarm = Alarm(
        cause=Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype=NAME, node=node),
        severity=Severity.INFO,
        message=f"{sentence} Most often: {groups[0].count} × {groups[0].example}",
        details={"week": week_of(now), "warnings": shown},
    )
    return finding, alarm
