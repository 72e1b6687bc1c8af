"""What people are told of alerts: one value, from which the plain text, the HTML and the facts for programs are made.

Everything that came from a task, a database row or a stranger goes through `harmless` on its way in, and is bounded:
a message takes 100 KB at most, whatever a task printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from smart_cron.core.alert import Alert, AlertType, Severity
from smart_cron.core.alert_html import html_of
from smart_cron.core.harmless import last_lines, one_line
from smart_cron.core.message import Message, MessageKind, RunFacts
from smart_cron.core.spans import span

NAMED = 20
SENTENCE_CHARACTERS = 500
NAME_CHARACTERS = 100
SUBJECT_CHARACTERS = 150
LINES, LINE_CHARACTERS, LINES_BYTES = 40, 200, 6_000
CHANGES = 15
LINK_CHARACTERS = 500

# What many tasks did.
_DEEDS: Mapping[AlertType, str] = {
    AlertType.TASK_FAILURE: "tasks failed",
    AlertType.TASK_TIMEOUT: "tasks ran into their timeout",
    AlertType.CONSECUTIVE_FAILURES: "tasks keep failing",
    AlertType.STUCK_TASK: "tasks were stuck",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A message before it is text or HTML, every string harmless and bounded. `rows` are pairs of a title and words."""

    headline: str
    severity: Severity
    kind: MessageKind
    intro: str = ""
    rows: tuple[tuple[str, str], ...] = ()
    listed: tuple[tuple[str, str], ...] = ()
    unlisted: int = 0
    changes: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    link: str = ""
    commands: tuple[str, ...] = ()
    footer: str = ""


def compose(
    kind: MessageKind,
    alerts: Sequence[Alert],
    facts: RunFacts | None,
    *,
    link: str,
    installation: str,
    now: datetime,
) -> Message:
    """Return the message of this kind about these alerts, the gravest and then the oldest named first.

    `facts` are of the run that a single alert is about; `link` is where it is shown, empty for nowhere. A test message
    has no alerts.
    """
    ordered = sorted(alerts, key=lambda alert: (alert.severity.rank, alert.created_at, alert.id))
    severity = ordered[0].severity if ordered else Severity.INFO
    place = one_line(installation, 60)
    sheet = _sheet(kind, ordered, facts, severity=severity, link=_safe_link(link), place=place, now=now)
    return Message(
        kind=kind,
        severity=severity,
        subject=_subject(sheet, place),
        text=_text(sheet),
        html=html_of(sheet),
        facts=_facts(sheet, ordered, facts, place=place, now=now),
    )


def _sheet(
    kind: MessageKind,
    alerts: Sequence[Alert],
    facts: RunFacts | None,
    *,
    severity: Severity,
    link: str,
    place: str,
    now: datetime,
) -> Sheet:
    footer = f"Smart Cron on {place}, {instant(now)}"
    if not alerts:
        return _without_alerts(kind, severity=severity, link=link, footer=footer)
    if len(alerts) > 1 or kind is MessageKind.DIGEST:
        return _of_many(kind, alerts, severity=severity, link=link, footer=footer, now=now)
    alert = alerts[0]
    return Sheet(
        headline=_headline(kind, alert, now),
        severity=severity,
        kind=kind,
        intro=_intro(kind, alert, now),
        rows=tuple(_rows(kind, alert, facts, now)),
        changes=() if facts is None else tuple(one_line(each, 200) for each in facts.changes[:CHANGES]),
        output=() if facts is None else _output(facts),
        link=link,
        commands=_commands(alert),
        footer=footer,
    )


def _without_alerts(kind: MessageKind, *, severity: Severity, link: str, footer: str) -> Sheet:
    if kind is MessageKind.DIGEST:
        return Sheet(
            headline="Nothing to report", severity=severity, kind=kind, intro="No alert since the last digest.",
            link=link, footer=footer,
        )  # fmt: skip
    intro = "This is a test, asked for by a person: alerts that go over this channel reach you here."
    return Sheet(headline="Test message", severity=severity, kind=kind, intro=intro, link=link, footer=footer)


def _headline(kind: MessageKind, alert: Alert, now: datetime) -> str:
    told = one_line(alert.message, SENTENCE_CHARACTERS) or str(alert.cause.alert_type)
    if kind is MessageKind.RECOVERY:
        if alert.cause.alert_type in _DEEDS and alert.task_name:
            return f"Task {one_line(alert.task_name, NAME_CHARACTERS)} works again"
        return f"Over: {told}"
    if kind is MessageKind.REMINDER:
        return f"Still open after {span(now - alert.created_at)}: {told}"
    return told


def _intro(kind: MessageKind, alert: Alert, now: datetime) -> str:
    if kind is MessageKind.RECOVERY:
        lasted = (alert.resolved_at or now) - alert.created_at
        return f"It was over after {span(lasted)}. What had been wrong: {one_line(alert.message, SENTENCE_CHARACTERS)}"
    if kind is MessageKind.REMINDER:
        return "Nobody has acknowledged it, and it is not over."
    return ""


def _rows(kind: MessageKind, alert: Alert, facts: RunFacts | None, now: datetime) -> Iterator[tuple[str, str]]:
    yield "Severity", str(alert.severity)
    if alert.task_name:
        yield "Task", one_line(alert.task_name, NAME_CHARACTERS)
    if facts is not None:
        yield from _run_rows(facts)
    elif alert.cause.node:
        yield "Node", one_line(alert.cause.node, NAME_CHARACTERS)
    if alert.occurrences > 1:
        yield "How often", f"{alert.occurrences} times, the last at {instant(alert.last_occurred_at)}"
    yield "Since", f"{instant(alert.created_at)} ({span(now - alert.created_at)} ago)"
    if kind is MessageKind.RECOVERY:
        yield "Over since", instant(alert.resolved_at or now)
    if facts is not None and facts.last_success_at is not None:
        yield "Last success", instant(facts.last_success_at)
    if alert.note:
        yield "Note", one_line(alert.note, 200)


def _run_rows(facts: RunFacts) -> Iterator[tuple[str, str]]:
    if facts.description:
        yield "What it does", one_line(facts.description, 200)
    yield "Slot", "none: it was started by hand" if facts.scheduled_for is None else instant(facts.scheduled_for)
    yield "Attempt", str(facts.attempt)
    if facts.started_at is not None:
        ran = "" if facts.duration is None else f", ran {span(facts.duration)}"
        yield "Started", f"{instant(facts.started_at)}{ran}"
    if facts.node:
        yield "Node", one_line(facts.node, NAME_CHARACTERS)
    yield "Status", one_line(facts.status, 30)
    if facts.exit_code is not None:
        yield "Exit code", str(facts.exit_code)
    if facts.error_message:
        yield "Error", one_line(facts.error_message, SENTENCE_CHARACTERS)


def _output(facts: RunFacts) -> tuple[str, ...]:
    return tuple(last_lines(facts.last_lines, count=LINES, width=LINE_CHARACTERS, room_bytes=LINES_BYTES))


def _commands(alert: Alert) -> tuple[str, ...]:
    look = f"smart-cron alert show {alert.id}"
    return (look,) if alert.execution_id is None else (look, f"smart-cron run show {alert.execution_id}")


# --- many at once ----------------------------------------------------------------------------------------------------


def _of_many(
    kind: MessageKind, alerts: Sequence[Alert], *, severity: Severity, link: str, footer: str, now: datetime
) -> Sheet:
    since = min(alert.created_at for alert in alerts)
    by_severity = Counter(alert.severity for alert in alerts)
    rows = [("Severity", ", ".join(f"{by_severity[word]} {word}" for word in Severity if by_severity[word]))]
    times = sum(alert.occurrences for alert in alerts)
    if times > len(alerts):
        rows.append(("How often", f"{times} times together"))
    rows.append(("Since", f"{instant(since)} ({span(now - since)} ago)"))
    return Sheet(
        headline=_headline_of_many(kind, alerts),
        severity=severity,
        kind=kind,
        rows=tuple(rows),
        listed=tuple(_entry(alert) for alert in alerts[:NAMED]),
        unlisted=max(0, len(alerts) - NAMED),
        link=link,
        commands=("smart-cron alert list",),
        footer=footer,
    )


def _headline_of_many(kind: MessageKind, alerts: Sequence[Alert]) -> str:
    if kind is MessageKind.DIGEST:
        critical = sum(alert.severity is Severity.CRITICAL for alert in alerts)
        tail = f", {critical} of them critical" if critical else ""
        return f"Digest: {_counted(len(alerts), 'alert')}{tail}"
    if kind is MessageKind.RECOVERY:
        return f"{len(alerts)} alerts are over"
    told = _deed_of_many(alerts)
    return f"Still open: {told}" if kind is MessageKind.REMINDER else told


def _deed_of_many(alerts: Sequence[Alert]) -> str:
    kinds = {alert.cause.alert_type for alert in alerts}
    deed = _DEEDS.get(next(iter(kinds))) if len(kinds) == 1 else None
    tasks = {alert.task_name for alert in alerts}
    if deed is None or len(tasks) < len(alerts):
        return f"{len(alerts)} alerts: {_some_names(alerts)}"
    reasons = {_reason(alert) for alert in alerts}
    shown = reasons.pop() if len(reasons) == 1 else _some_names(alerts)
    return f"{len(alerts)} {deed}: {shown}"


def _reason(alert: Alert) -> str:
    """Return what an alert says behind its first colon: what comes before names the task."""
    message = one_line(alert.message, SENTENCE_CHARACTERS)
    return message.partition(": ")[2] or message


def _some_names(alerts: Sequence[Alert]) -> str:
    names = list(dict.fromkeys(one_line(alert.task_name or alert.cause.alert_type, 40) for alert in alerts))
    more = len(names) - 3
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:3])} and {more} more"


def _entry(alert: Alert) -> tuple[str, str]:
    name = one_line(alert.task_name or alert.cause.subtype or alert.cause.alert_type, NAME_CHARACTERS)
    times = f" ({alert.occurrences} times)" if alert.occurrences > 1 else ""
    return f"{alert.severity}: {name}{times}", one_line(alert.message, 200)


# --- as text and as facts --------------------------------------------------------------------------------------------


def _subject(sheet: Sheet, place: str) -> str:
    mark = {
        MessageKind.RECOVERY: "Recovered: ",
        MessageKind.REMINDER: "Reminder: ",
    }.get(sheet.kind, "CRITICAL: " if sheet.severity is Severity.CRITICAL else "")
    return one_line(f"[{place}] {mark}{sheet.headline}", SUBJECT_CHARACTERS)


def _text(sheet: Sheet) -> str:
    return "\n\n".join(_paragraphs(sheet)) + "\n"


def _paragraphs(sheet: Sheet) -> Iterator[str]:
    yield sheet.headline
    if sheet.intro:
        yield sheet.intro
    if sheet.rows:
        width = max(len(title) for title, _ in sheet.rows)
        yield "\n".join(f"{title:<{width}}  {words}" for title, words in sheet.rows)
    if sheet.listed:
        rest = [f"- and {sheet.unlisted} more"] if sheet.unlisted else []
        yield "\n".join([*(f"- {name}\n  {words}" for name, words in sheet.listed), *rest])
    if sheet.changes:
        yield "What changed since it last worked:\n" + "\n".join(f"- {change}" for change in sheet.changes)
    if sheet.output:
        yield "Last lines of its output:\n" + "\n".join(f"| {line}" for line in sheet.output)
    where = [f"See {sheet.link}"] if sheet.link else []
    if where or sheet.commands:
        yield "\n".join([*where, *(f"In a terminal: {command}" for command in sheet.commands)])
    # The mark of a signature: mail programs fold what follows.
    yield f"-- \n{sheet.footer}"


def _facts(
    sheet: Sheet, alerts: Sequence[Alert], facts: RunFacts | None, *, place: str, now: datetime
) -> dict[str, object]:
    return {
        "installation": place,
        "headline": sheet.headline,
        "composed_at": instant(now),
        "link": sheet.link,
        "count": len(alerts),
        "alerts": [_alert_facts(alert) for alert in alerts[:NAMED]],
        "run": None if facts is None else _run_facts(sheet, facts),
    }


def _alert_facts(alert: Alert) -> dict[str, object]:
    return {
        "id": alert.id,
        "alert_type": str(alert.cause.alert_type),
        "subtype": _short(alert.cause.subtype),
        "severity": str(alert.severity),
        "task_id": alert.cause.task_id,
        "task_name": _short(alert.task_name),
        "node": _short(alert.cause.node),
        "execution_id": alert.execution_id,
        "message": one_line(alert.message, SENTENCE_CHARACTERS),
        "occurrences": alert.occurrences,
        "created_at": instant(alert.created_at),
        "last_occurred_at": instant(alert.last_occurred_at),
        "acknowledged": alert.acknowledged,
        "resolved": alert.resolved,
        "resolved_at": _instant_or_none(alert.resolved_at),
        "resolved_by": _short(alert.resolved_by),
    }


def _run_facts(sheet: Sheet, facts: RunFacts) -> dict[str, object]:
    return {
        "task_name": _short(facts.task_name),
        "execution_id": facts.execution_id,
        "run_id": _short(facts.run_id),
        "status": _short(facts.status),
        "scheduled_for": _instant_or_none(facts.scheduled_for),
        "started_at": _instant_or_none(facts.started_at),
        "completed_at": _instant_or_none(facts.completed_at),
        "attempt": facts.attempt,
        "exit_code": facts.exit_code,
        "duration_seconds": facts.duration,
        "node": _short(facts.node),
        "error_message": None if facts.error_message is None else one_line(facts.error_message, SENTENCE_CHARACTERS),
        "last_success_at": _instant_or_none(facts.last_success_at),
        "changes": list(sheet.changes),
        "last_lines": list(sheet.output),
    }


def instant(at: datetime) -> str:
    """Return an instant in UTC to the second: `2026-11-24 02:00:00Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _instant_or_none(at: datetime | None) -> str | None:
    return None if at is None else instant(at)


def _short(text: object) -> str | None:
    return None if text is None else one_line(text, NAME_CHARACTERS)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _safe_link(link: str) -> str:
    """Return a link that may be clicked, or nothing."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return ""
    is_plain = link.isascii() and link.isprintable() and " " not in link and len(link) <= LINK_CHARACTERS
    return link if is_plain and parts.scheme in ("http", "https") and parts.netloc else ""
