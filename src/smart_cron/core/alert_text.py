"""What people are told of alerts: one value, from which the plain text, the HTML and the facts for programs are made.

Everything that came from a task, a database row or a stranger goes through `harmless` on its way in, and is bounded:
a message takes 100 KB at most, whatever a task printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from smart_cron.core.alert import WEEKLY_DIGEST, Alert, Severity
from smart_cron.core.alert_html import html_of
from smart_cron.core.alert_words import (
    NAME_CHARACTERS,
    ago,
    entries,
    headline_of,
    headline_of_many,
    job_of,
    lasted,
    quieting,
    told,
    well_again,
)
from smart_cron.core.harmless import last_lines, one_line
from smart_cron.core.message import Message, MessageKind, RunFacts
from smart_cron.core.spans import span

NAMED = 20
SUBJECT_CHARACTERS = 150
LINES, LINE_CHARACTERS, LINES_BYTES = 40, 200, 6_000
CHANGES = 15
LINK_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A message before it is text or HTML, every string harmless and bounded.

    `rows` are pairs of a title and words, `run_rows` those of the run under the title `run_title`, where it has one.
    """

    headline: str
    severity: Severity
    kind: MessageKind
    intro: str = ""
    rows: tuple[tuple[str, str], ...] = ()
    run_title: str = ""
    run_rows: tuple[tuple[str, str], ...] = ()
    listed: tuple[tuple[str, str], ...] = ()
    unlisted: int = 0
    changes: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    output_title: str = "Last lines of its output"
    link: str = ""
    commands: tuple[str, ...] = ()
    quieting: tuple[str, ...] = ()
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
    is_over = kind is MessageKind.RECOVERY
    run_rows = () if facts is None else tuple(_run_rows(facts))
    output_title, output = _output(alert, facts)
    return Sheet(
        headline=_headline(kind, alert, now),
        severity=severity,
        kind=kind,
        intro=_intro(kind, alert, now),
        rows=tuple(_rows(kind, alert, facts, now, () if is_over else run_rows)),
        run_title="The last failure" if is_over and run_rows else "",
        run_rows=run_rows if is_over else (),
        changes=() if facts is None else tuple(one_line(each, 200) for each in facts.changes[:CHANGES]),
        output=output,
        output_title=output_title,
        link=link,
        commands=_commands(alert),
        quieting=() if is_over else tuple(quieting(alerts, at_most=1)),
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
    if kind is MessageKind.RECOVERY:
        return well_again(alert)
    if kind is MessageKind.REMINDER:
        return f"Still open after {span(now - alert.created_at)}: {headline_of(alert)}"
    return headline_of(alert)


def _intro(kind: MessageKind, alert: Alert, now: datetime) -> str:
    if kind is MessageKind.RECOVERY:
        return lasted(alert, now)
    # Where the headline is shorter than what is known, that follows.
    whole = told(alert.message) if job_of(alert) else ""
    if kind is MessageKind.REMINDER:
        return f"{whole} Nobody has acknowledged it, and it is not over.".lstrip()
    return whole


def _rows(
    kind: MessageKind, alert: Alert, facts: RunFacts | None, now: datetime, of_run: tuple[tuple[str, str], ...]
) -> Iterator[tuple[str, str]]:
    yield "Severity", str(alert.severity)
    if alert.task_name:
        yield "Task", one_line(alert.task_name, NAME_CHARACTERS)
    yield from of_run
    if facts is None and alert.cause.node:
        yield "Node", one_line(alert.cause.node, NAME_CHARACTERS)
    if alert.occurrences > 1:
        yield "How often", f"{alert.occurrences} times, the last at {instant(alert.last_occurred_at)}"
    yield "Since", f"{instant(alert.created_at)}{ago(alert.created_at, now)}"
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
        yield "Error", told(facts.error_message)


def _output(alert: Alert, facts: RunFacts | None) -> tuple[str, tuple[str, ...]]:
    """Return a title and the last lines that the run, or the job elsewhere, has said; of a week what it warned of."""
    title, said = _said(alert, facts)
    return title, tuple(last_lines(said, count=LINES, width=LINE_CHARACTERS, room_bytes=LINES_BYTES))


def _said(alert: Alert, facts: RunFacts | None) -> tuple[str, tuple[str, ...]]:
    words, warnings = alert.details.get("last_words"), alert.details.get("warnings")
    if job_of(alert) is not None and isinstance(words, str):
        return "Last words of the job", tuple(words.splitlines())
    if alert.cause.subtype == WEEKLY_DIGEST and isinstance(warnings, list):
        return "What was warned of most often", tuple(told(each) for each in warnings)
    return "Last lines of its output", () if facts is None else facts.last_lines


def _commands(alert: Alert) -> tuple[str, ...]:
    if not alert.id:
        return ()  # The database is away: there is no alert yet that could be shown.
    look, job = f"smart-cron alert show {alert.id}", job_of(alert)
    if job is not None:
        return (look, f"smart-cron ping show {job}")
    return (look,) if alert.execution_id is None else (look, f"smart-cron run show {alert.execution_id}")


# --- many at once ----------------------------------------------------------------------------------------------------


def _of_many(
    kind: MessageKind, alerts: Sequence[Alert], *, severity: Severity, link: str, footer: str, now: datetime
) -> Sheet:
    since = min(alert.created_at for alert in alerts)
    by_severity = Counter(alert.severity for alert in alerts)
    rows = [("Severity", ", ".join(f"{by_severity[word]} {word}" for word in Severity if by_severity[word]))]
    listed, unlisted = entries(kind, alerts, now=now, at_most=NAMED)
    times = sum(alert.occurrences for alert in alerts)
    if times > len(alerts):
        rows.append(("How often", f"{times} times in all"))
    rows.append(("Since", f"{instant(since)}{ago(since, now)}"))
    return Sheet(
        headline=headline_of_many(kind, alerts),
        severity=severity,
        kind=kind,
        rows=tuple(rows),
        listed=tuple(listed),
        unlisted=unlisted,
        link=link,
        commands=("smart-cron alert list",) if any(alert.id for alert in alerts) else (),
        quieting=() if kind is MessageKind.RECOVERY else tuple(quieting(alerts, at_most=NAMED)),
        footer=footer,
    )


# --- as text and as facts --------------------------------------------------------------------------------------------


def _subject(sheet: Sheet, place: str) -> str:
    mark = {
        MessageKind.RECOVERY: "" if sheet.headline.startswith("Over: ") else "Recovered: ",
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
        yield _table(sheet.rows)
    if sheet.run_rows:
        yield f"{sheet.run_title}:\n{_table(sheet.run_rows)}"
    if sheet.listed:
        rest = [f"- and {sheet.unlisted} more"] if sheet.unlisted else []
        yield "\n".join([*(f"- {name}\n  {words}" for name, words in sheet.listed), *rest])
    if sheet.changes:
        yield "What changed since it last worked:\n" + "\n".join(f"- {change}" for change in sheet.changes)
    if sheet.output:
        yield f"{sheet.output_title}:\n" + "\n".join(f"| {line}" for line in sheet.output)
    where = [f"See {sheet.link}"] if sheet.link else []
    terminal = [f"In a terminal: {command}" for command in sheet.commands]
    if lines := [*where, *terminal, *(f"No more reminders: {command}" for command in sheet.quieting)]:
        yield "\n".join(lines)
    # The mark of a signature: mail programs fold what follows.
    yield f"-- \n{sheet.footer}"


def _table(rows: Sequence[tuple[str, str]]) -> str:
    width = max(len(title) for title, _ in rows)
    return "\n".join(f"{title:<{width}}  {words}" for title, words in rows)


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
        "message": told(alert.message),
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
        "error_message": None if facts.error_message is None else told(facts.error_message),
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


def _safe_link(link: str) -> str:
    """Return a link that may be clicked, or nothing."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return ""
    is_plain = link.isascii() and link.isprintable() and " " not in link and len(link) <= LINK_CHARACTERS
    return link if is_plain and parts.scheme in ("http", "https") and parts.netloc else ""
