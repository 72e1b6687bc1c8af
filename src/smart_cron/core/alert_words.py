"""How alerts are called and what they say: names, headlines, reasons. Every string is harmless, bounded, unsecret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from smart_cron.core.alert import PING_PREFIX, Alert, AlertType, Severity
from smart_cron.core.harmless import one_line, without_escapes, without_secrets
from smart_cron.core.message import MessageKind
from smart_cron.core.spans import MINUTE, span

SENTENCE_CHARACTERS = 500
NAME_CHARACTERS = 100
ENTRY_CHARACTERS = 200
# So much of a message says what its cause is.
CAUSE_CHARACTERS = 1000
# Of a text so much is looked at: the rest is cut anyway.
_LOOKED_AT = 8 * SENTENCE_CHARACTERS
_NAMES_IN_A_ROW = 3

# What many tasks did.
DEEDS: Mapping[AlertType, str] = {
    AlertType.TASK_FAILURE: "tasks failed",
    AlertType.TASK_TIMEOUT: "tasks ran into their timeout",
    AlertType.CONSECUTIVE_FAILURES: "tasks keep failing",
    AlertType.STUCK_TASK: "tasks were stuck",
}
# What a job elsewhere did, by the state that its alert tells of.
_JOB_DEEDS: Mapping[object, str] = {
    "late": "is late",
    "never_ended": "has not reported its end",
}
_UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_PATH = re.compile(r"(?<![\w.])/[^\s:,;]*")
# With the letters around it: `db7` and `db10` are names of one kind, and so are two commits.
_NUMBERED = re.compile(r"(?<!\w)\w*\d\w*")


def told(text: object, limit: int = SENTENCE_CHARACTERS) -> str:
    """Return a text of a task on one line, what looks like a password hidden."""
    return one_line(without_secrets(without_escapes(str(text)[:_LOOKED_AT])), limit)


def name_of(alert: Alert, limit: int = NAME_CHARACTERS) -> str:
    """Return what the alert is about: its task, or the job, check or node's probe, else its type."""
    return one_line(alert.task_name or alert.cause.subtype or alert.cause.alert_type, limit)


def job_of(alert: Alert) -> str | None:
    """Return the name of the job elsewhere that the alert is about."""
    subtype = alert.cause.subtype or ""
    return one_line(subtype.removeprefix(PING_PREFIX), NAME_CHARACTERS) if subtype.startswith(PING_PREFIX) else None


def headline_of(alert: Alert) -> str:
    """Return what is wrong, short enough for a subject where that can be said shortly."""
    job = job_of(alert)
    if job is None:
        return told(alert.message) or name_of(alert)
    exit_code = alert.details.get("exit_code")
    failed = f"failed with exit code {exit_code}" if isinstance(exit_code, int) else "failed"
    state = alert.details.get("state")
    return f"Job {job} {_JOB_DEEDS.get(state if isinstance(state, str) else None, failed)}"


def well_again(alert: Alert) -> str:
    """Return the sentence that says that it is over."""
    job = job_of(alert)
    if job is not None:
        return f"Job {job} is well again"
    if alert.task_name is None:
        return f"{name_of(alert)} is well again"
    task = one_line(alert.task_name, NAME_CHARACTERS)
    if alert.cause.alert_type in DEEDS:
        return f"Task {task} works again"
    return f"Task {task} is as usual again"


def lasted(alert: Alert, now: datetime) -> str:
    """Return how long it lasted and what it had been; what was to be done is of no use any more."""
    length = span((alert.resolved_at or now) - alert.created_at)
    remedy = alert.details.get("remedy")
    had_been = alert.message.removesuffix(remedy) if isinstance(remedy, str) else alert.message
    return f"It lasted {length}. It had been: {told(had_been)}"


def ago(at: datetime, now: datetime) -> str:
    """Return ` (2 h ago)`, nothing within the last minute."""
    age = now - at
    return f" ({span(age)} ago)" if age.total_seconds() >= MINUTE else ""


def cause_text(alert: Alert) -> str:
    """Return the wording without names, numbers, paths and UUIDs: alike for what has one cause."""
    text = alert.message[:CAUSE_CHARACTERS]
    if alert.task_name:
        text = re.sub(rf"(?<!\w){re.escape(alert.task_name)}(?!\w)", "*", text)
    text = text.lower()
    for pattern in (_UUID, _QUOTED, _PATH, _NUMBERED):
        text = pattern.sub("#", text)
    return " ".join(text.split())


# --- many at once ----------------------------------------------------------------------------------------------------


def headline_of_many(kind: MessageKind, alerts: Sequence[Alert]) -> str:
    """Return what several alerts have in common, or whom they are about."""
    if kind is MessageKind.DIGEST:
        critical = sum(alert.severity is Severity.CRITICAL for alert in alerts)
        tail = f", {critical} of them critical" if critical else ""
        return f"Digest: {len(alerts)} alert{'s' if len(alerts) > 1 else ''}{tail}"
    if kind is MessageKind.RECOVERY:
        return f"Over: {some_names(alerts)}"
    deed = _deed_of_many(alerts)
    return f"Still open: {deed}" if kind is MessageKind.REMINDER else deed


def _deed_of_many(alerts: Sequence[Alert]) -> str:
    kinds = {alert.cause.alert_type for alert in alerts}
    deed = DEEDS.get(next(iter(kinds))) if len(kinds) == 1 else None
    tasks = {alert.task_name for alert in alerts}
    if deed is None or len(tasks) < len(alerts):
        return f"{len(alerts)} alerts: {some_names(alerts)}"
    reasons = {alert.message.partition(": ")[2] for alert in alerts}
    shown = _reason(alerts[0]) if len(reasons) == 1 else some_names(alerts)
    return f"{len(alerts)} {deed}: {shown}"


def _reason(alert: Alert) -> str:
    """Return what an alert says behind its first colon: what comes before names the task."""
    message = told(alert.message)
    return message.partition(": ")[2] or message


def some_names(alerts: Sequence[Alert]) -> str:
    """Return whom alerts are about: at most four, or three and how many more."""
    names = list(dict.fromkeys(name_of(alert, 40) for alert in alerts))
    more = len(names) - _NAMES_IN_A_ROW
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:_NAMES_IN_A_ROW])} and {more} more"


def entries(
    kind: MessageKind, alerts: Sequence[Alert], *, now: datetime, at_most: int
) -> tuple[list[tuple[str, str]], int]:
    """Return a title and words for each alert, and how many are left out.

    What has one cause is one entry, unless that is all there is.
    """
    groups: dict[tuple[AlertType, str], list[Alert]] = {}
    for alert in alerts:
        groups.setdefault((alert.cause.alert_type, cause_text(alert)), []).append(alert)
    if len(groups) == 1 or kind is MessageKind.RECOVERY:
        return [_entry(kind, alert, now) for alert in alerts[:at_most]], max(0, len(alerts) - at_most)
    some = list(groups.values())[:at_most]
    shown = [_entry(kind, group[0], now) if len(group) == 1 else _group(group) for group in some]
    return shown, len(groups) - len(some)


def _entry(kind: MessageKind, alert: Alert, now: datetime) -> tuple[str, str]:
    times = f" ({alert.occurrences} times)" if alert.occurrences > 1 else ""
    words = lasted(alert, now) if kind is MessageKind.RECOVERY else told(alert.message)
    return f"{alert.severity}: {name_of(alert)}{times}", one_line(words, ENTRY_CHARACTERS)


def _group(alerts: Sequence[Alert]) -> tuple[str, str]:
    deed = DEEDS.get(alerts[0].cause.alert_type, "alerts")
    reason = _reason(alerts[0]) if deed != "alerts" else told(alerts[0].message)
    return f"{alerts[0].severity}: {len(alerts)} {deed}", f"{one_line(reason, ENTRY_CHARACTERS)} ({some_names(alerts)})"


def quieting(alerts: Sequence[Alert], *, at_most: int) -> Iterator[str]:
    """Yield the command that ends the reminders of what is open and has a number already."""
    numbers = [str(alert.id) for alert in alerts if alert.id and not (alert.resolved or alert.acknowledged)]
    if numbers and len(numbers) <= at_most:
        yield f"smart-cron alert ack {' '.join(numbers)}"
