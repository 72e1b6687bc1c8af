"""Holds and pings that SQL added, changed or deleted: found by comparing them with what the audit log tells of them.

Nodes are not compared: each writes its own row anew with every heartbeat, so nothing that SQL does to one lasts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from smart_cron.core.audit import BY_SQL
from smart_cron.core.node import HoldKind
from smart_cron.store.audit import Audit, changes
from smart_cron.store.pings import TERM_COLUMNS
from smart_cron.store.session import Session

# What is known of a thing, by its number: its name and its values.
Things = dict[int, tuple[str, dict[str, object]]]
_NOBODY: tuple[str, dict[str, object]] = ("", {})
_LOG = "SELECT entity_id, entity_name, action, new_values FROM smart_cron_audit_log WHERE entity_type = %s"
# A restore keeps the holds that stand, and brings a log that tells of others.
_RESTORED = "(SELECT MAX(id) FROM smart_cron_audit_log WHERE entity_type = 'backup' AND action = 'restore')"
# Moves and restores put up and take away their own, in databases of which not every log tells.
_NOT_BY_PEOPLE = (HoldKind.RESTORED, HoldKind.MOVED, HoldKind.ARRIVING)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One kind of things: what reads those that stand, and the words by which the log tells of them."""

    name: str
    read: Callable[[Session], Things]
    added: str
    removed: str
    changed: str
    since: str = ""


def notice(session: Session, audit: Audit) -> int:
    """Write an audit row for each hold and each ping that SQL added, changed or deleted; return how many."""
    return sum(_notice(session, audit, kind) for kind in _KINDS)


def _notice(session: Session, audit: Audit, kind: _Kind) -> int:
    if kind.read(session) == _told(session, kind):
        return 0
    return session.again(lambda: _note(session, audit, kind))


def _note(session: Session, audit: Audit, kind: _Kind) -> int:
    # Nodes look at the same time, and what we change ourselves is told only at the end of its transaction.
    audit.take_turn()
    there, told = kind.read(session), _told(session, kind)
    differing = sorted(number for number in {*there, *told} if there.get(number) != told.get(number))
    for number in differing:
        name, now = there.get(number, _NOBODY)
        known_as, before = told.get(number, _NOBODY)
        if number not in told:
            audit.note(kind.added, actor=BY_SQL, entity=(kind.name, number, name), new=now)
        elif number not in there:
            audit.note(kind.removed, actor=BY_SQL, entity=(kind.name, number, known_as), old=before)
        else:
            old, new = changes(before, now)
            audit.note(kind.changed, actor=BY_SQL, entity=(kind.name, number, name), old=old, new=new)
    return len(differing)


def _told(session: Session, kind: _Kind) -> Things:
    told: Things = {}
    for number, name, action, values in session.rows(f"{_LOG}{kind.since} ORDER BY id", [kind.name]):
        if action == kind.removed:
            told.pop(number, None)
        elif action in (kind.added, kind.changed):
            before = _NOBODY if action == kind.added else told.get(number, _NOBODY)
            told[number] = (name, {**before[1], **_read(values)})
    return {number: thing for number, thing in told.items() if thing[0] not in _NOT_BY_PEOPLE}


def _read(text: str | None) -> Mapping[str, object]:
    found = json.loads(text or "{}")
    return found if isinstance(found, dict) else {}


def _holds(session: Session) -> Things:
    rows = session.rows(
        f"""SELECT id, kind, reason FROM smart_cron_holds WHERE NOT EXISTS (SELECT 1 FROM smart_cron_audit_log l
             WHERE l.id = {_RESTORED} AND l.created_at > smart_cron_holds.created_at)"""
    )
    return {number: (kind, {"reason": reason}) for number, kind, reason in rows if kind not in _NOT_BY_PEOPLE}


def _pings(session: Session) -> Things:
    rows = session.rows(f"SELECT id, {', '.join(TERM_COLUMNS)} FROM smart_cron_ping_checks")
    return {row[0]: (str(row[1]), _terms(row[1:])) for row in rows}


def _terms(values: Sequence[object]) -> dict[str, object]:
    # SQLite keeps any value in any column.
    plain = (value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values)
    return dict(zip(TERM_COLUMNS, plain, strict=True))


_KINDS = (
    _Kind(
        name="hold",
        read=_holds,
        added="hold",
        removed="release",
        changed="change reason",
        since=f" AND id > COALESCE({_RESTORED}, 0)",
    ),
    _Kind(name="ping", read=_pings, added="add", removed="remove", changed="edit"),
)
