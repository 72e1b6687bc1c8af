"""Alerts as rows: opening one, counting one up, and reading it back. One cause has one open row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from smart_cron.core.alert import Alarm, Alert, AlertType, Cause, Severity
from smart_cron.core.alert_rules import graver
from smart_cron.core.errors import DatabaseConflictError
from smart_cron.core.output_copy import cut_message
from smart_cron.core.run import AlertDraft, OpenRun
from smart_cron.store.bulk import InsertEach, UpdateEach, placeholders
from smart_cron.store.dialects import INSTANT, INT, TEXT, Dialect
from smart_cron.store.record_rows import MESSAGE_CHARACTERS, TEXT_BYTES, fitting
from smart_cron.store.session import Session

CHUNK = 500
NAME_CHARACTERS = 100
# For a date that is none.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

COUNT_UP = UpdateEach(
    table="smart_cron_alerts",
    columns=(
        ("id", INT),
        ("execution_id", INT),
        ("severity", TEXT),
        ("message", TEXT),
        ("details", TEXT),
        ("occurrences", INT),
        ("now", INSTANT),
    ),
    sets="""occurrences = t.occurrences + {occurrences}, last_occurred_at = {now}, message = {message},
        severity = {severity}, execution_id = {execution_id}, details = {details}, untold = 1""",
    # Whoever resolved it meanwhile does not see what is counted: then the whole transaction is run again.
    where="t.id = {id} AND t.resolved = 0",
)
OPEN = InsertEach(
    table="smart_cron_alerts",
    columns=(
        ("task_id", INT),
        ("task_name", TEXT),
        ("execution_id", INT),
        ("alert_type", TEXT),
        ("subtype", TEXT),
        ("node", TEXT),
        ("severity", TEXT),
        ("message", TEXT),
        ("details", TEXT),
        ("occurrences", INT),
        ("created_at", INSTANT),
        ("last_occurred_at", INSTANT),
    ),
)
COLUMNS = (
    "id", "task_id", "task_name", "execution_id", "alert_type", "subtype", "node", "severity", "message", "details",
    "occurrences", "created_at", "last_occurred_at", "acknowledged", "acknowledged_at", "acknowledged_by", "resolved",
    "resolved_at", "resolved_by", "snoozed_until", "note", "told_severity", "told_occurrences", "told_at", "reminders",
)  # fmt: skip


class Key(NamedTuple):
    """A cause as its columns say it, which may hold words of somebody else's."""

    task_id: int | None
    alert_type: str
    subtype: str | None
    node: str | None


class Opened(NamedTuple):
    """An open alert's number and severity."""

    id: int
    severity: str


@dataclass(slots=True, kw_only=True)
class Happening:
    """What is to be raised for a cause, and how often it happened."""

    key: Key
    severity: str
    message: str
    task_name: str | None
    execution_id: int | None
    details: str | None = None
    count: int = 1


def of_draft(run: OpenRun, draft: AlertDraft) -> Happening:
    """Return what the end of a run raises. It is the task's, wherever it ran."""
    return Happening(
        key=Key(run.task_id, draft.alert_type, draft.subtype, None),
        severity=draft.severity,
        message=(fitting(draft.message) or "")[:MESSAGE_CHARACTERS],
        task_name=run.task_name,
        execution_id=run.execution_id,
    )


def of_alarm(alarm: Alarm) -> Happening:
    """Return what an alarm raises, its texts cleaned and cut to their columns."""
    return Happening(
        key=key_of(alarm.cause),
        severity=str(alarm.severity),
        message=cut_message(fitting(alarm.message) or ""),
        task_name=_name(alarm.task_name),
        execution_id=alarm.execution_id,
        details=_details(alarm.details),
    )


def key_of(cause: Cause) -> Key:
    """Return the columns of a cause."""
    return Key(cause.task_id, str(cause.alert_type), _name(cause.subtype), _name(cause.node))


def write(session: Session, happenings: Iterable[Happening], now: str) -> None:
    """Open or count up an alert for each. Whatever else opens alerts of these causes must be locked out.

    Raise DatabaseConflictError where one was resolved between the look and the count.
    """
    of_key: dict[Key, Happening] = {}
    for happening in happenings:
        before = of_key.get(happening.key)
        if before is not None:
            happening.count += before.count
            happening.severity = _graver(before.severity, happening.severity)
        of_key[happening.key] = happening
    if not of_key:
        return
    opened = opened_among(session, of_key)
    # In the order of their numbers, as everybody locks them who changes several.
    known = sorted(opened, key=lambda key: opened[key].id)
    counted = COUNT_UP.run(session, [_again(opened[key], of_key[key], now) for key in known])
    if counted != len(known):
        raise DatabaseConflictError("an alert was resolved while it was being counted up.")
    OPEN.run(session, [_fresh(each, now) for key, each in of_key.items() if key not in opened])


def opened_among(session: Session, keys: Iterable[Key]) -> dict[Key, Opened]:
    """Return the open alert of each of these causes; of several, which only SQL by hand can make, the newest."""
    wanted = set(keys)
    ids = sorted({key.task_id for key in wanted if key.task_id is not None})
    rows: list[tuple[Any, ...]] = []
    for begin in range(0, len(ids), CHUNK):
        some = ids[begin : begin + CHUNK]
        rows += session.rows(_OPENED.format(f"task_id IN ({placeholders(some)})"), some)
    if any(key.task_id is None for key in wanted):
        rows += session.rows(_OPENED.format("task_id IS NULL"))
    found = {Key(*row[2:]): Opened(row[0], row[1]) for row in sorted(rows)}
    return {key: found[key] for key in wanted if key in found}


_OPENED = """SELECT id, severity, task_id, alert_type, subtype, node FROM smart_cron_alerts
    WHERE resolved = 0 AND {}"""


def _again(opened: Opened, happening: Happening, now: str) -> Mapping[str, object]:
    return {
        "id": opened.id,
        "execution_id": happening.execution_id,
        "severity": _graver(opened.severity, happening.severity),
        "message": happening.message,
        "details": happening.details,
        "occurrences": happening.count,
        "now": now,
    }


def _fresh(happening: Happening, now: str) -> Mapping[str, object]:
    return {
        **happening.key._asdict(),
        "task_name": happening.task_name,
        "execution_id": happening.execution_id,
        "severity": happening.severity,
        "message": happening.message,
        "details": happening.details,
        "occurrences": happening.count,
        "created_at": now,
        "last_occurred_at": now,
    }


def _graver(one: str, other: str) -> str:
    """The severity of an open alert never falls."""
    return str(graver(_severity(one), _severity(other)))


def alert(row: Sequence[Any], dialect: Dialect) -> Alert:
    """Return the alert of a row of `COLUMNS`, whatever SQL by hand wrote into it: one row must not stop all others.

    A type that is none of ours is told as a subtype of `system_health`; a zero date is the next best one.
    """
    of = dict(zip(COLUMNS, row, strict=True))
    read = dialect.read_instant
    last = read(of["last_occurred_at"])
    created_at = read(of["created_at"]) or last or EPOCH
    return Alert(
        id=of["id"],
        cause=_cause(of),
        severity=_severity(of["severity"]),
        message=str(of["message"]),
        task_name=of["task_name"],
        execution_id=of["execution_id"],
        details=_read_details(of["details"]),
        occurrences=of["occurrences"],
        created_at=created_at,
        last_occurred_at=last or created_at,
        acknowledged=bool(of["acknowledged"]),
        acknowledged_at=read(of["acknowledged_at"]),
        acknowledged_by=of["acknowledged_by"],
        snoozed_until=read(of["snoozed_until"]),
        resolved=bool(of["resolved"]),
        resolved_at=read(of["resolved_at"]),
        resolved_by=of["resolved_by"],
        note=of["note"],
        told_severity=_severity(of["told_severity"]) if of["told_severity"] else None,
        told_occurrences=of["told_occurrences"],
        told_at=read(of["told_at"]),
        reminders=of["reminders"],
    )


def _cause(of: Mapping[str, Any]) -> Cause:
    word, subtype = of["alert_type"], of["subtype"]
    known = word in set(AlertType)
    return Cause(
        alert_type=AlertType(word) if known else AlertType.SYSTEM_HEALTH,
        subtype=subtype if known else str(word),
        task_id=of["task_id"],
        node=of["node"],
    )


def _severity(word: str) -> Severity:
    """What SQL by hand wrote as a severity and is none counts as an error: it is not passed over."""
    return Severity(word) if word in set(Severity) else Severity.ERROR


def _name(text: str | None) -> str | None:
    return None if text is None else cut_message(fitting(text) or "")[:NAME_CHARACTERS]


def _details(details: Mapping[str, object]) -> str | None:
    if not details:
        return None
    text = json.dumps(dict(details), ensure_ascii=True, default=str)
    return text if len(text) <= TEXT_BYTES else json.dumps({"left_out": f"{len(text)} characters of details"})


def _read_details(text: str | None) -> Mapping[str, object]:
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {"text": text}
    return found if isinstance(found, dict) else {"text": text}
