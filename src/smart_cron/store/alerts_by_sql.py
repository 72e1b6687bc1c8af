"""Alerts that somebody acknowledged or resolved by SQL, as the specification prints it: they get their audit rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from smart_cron.core.audit import BY_SQL, Actor
from smart_cron.store.audit import Audit
from smart_cron.store.bulk import placeholders
from smart_cron.store.session import Session

# How far back is looked: whoever resolves what is older without telling is not missed by anybody.
DAYS = 30
CHUNK = 500
_COLUMNS = """a.id, a.task_name, a.subtype, a.alert_type, a.acknowledged_at, a.acknowledged_by, a.resolved_at"""
# What we acknowledge has its row in the very transaction; one that is older is of an earlier time.
_UNTOLD = """NOT EXISTS (SELECT 1 FROM smart_cron_audit_log l
    WHERE l.entity_type = 'alert' AND l.entity_id = a.id AND l.action = 'acknowledge'
      AND (a.acknowledged_at IS NULL OR l.created_at >= a.acknowledged_at))"""
_ACKNOWLEDGED = f"a.resolved = 0 AND a.acknowledged <> 0 AND {_UNTOLD}"
# Whatever of ours resolves an alert names itself.
_RESOLVED = "a.resolved <> 0 AND a.resolved_by IS NULL AND a.created_at >= %s"


def notice(session: Session, audit: Audit) -> int:
    """Write a row for each; return how many."""
    since = [_since(session)]
    if not _asked(session, _ACKNOWLEDGED, []) and not _asked(session, _RESOLVED, since):
        return 0
    return session.again(lambda: _note_acknowledged(session, audit) + _note_resolved(session, audit, since))


def _since(session: Session) -> str:
    return session.dialect.instant(session.now() - timedelta(days=DAYS))


def _asked(session: Session, where: str, params: Sequence[object], lock: str = "") -> list[tuple[Any, ...]]:
    return session.rows(
        f"SELECT {_COLUMNS} FROM smart_cron_alerts a WHERE {where} ORDER BY a.id LIMIT {CHUNK}{lock}", params
    )


def _note_acknowledged(session: Session, audit: Audit) -> int:
    ids = [row[0] for row in _asked(session, _ACKNOWLEDGED, [], session.dialect.lock)]
    # Once they are locked: another node may have been faster.
    rows = _asked(session, f"{_ACKNOWLEDGED} AND a.id IN ({placeholders(ids)})", ids) if ids else []
    for row in rows:
        told = {"acknowledged": 1, "acknowledged_at": _text(session, row[4]), "acknowledged_by": row[5]}
        _note(audit, "acknowledge", row, told, user_id=row[5])
    return len(rows)


def _note_resolved(session: Session, audit: Audit, since: Sequence[str]) -> int:
    rows = _asked(session, _RESOLVED, since, session.dialect.lock)
    for row in rows:
        _note(audit, "resolve", row, {"resolved": 1, "resolved_at": _text(session, row[6])})
    if rows:
        ids = [row[0] for row in rows]
        session.execute(f"UPDATE smart_cron_alerts SET resolved_by = 'sql' WHERE id IN ({placeholders(ids)})", ids)
    return len(rows)


def _text(session: Session, raw: object) -> str | None:
    at = session.dialect.read_instant(raw)
    return None if at is None else session.dialect.instant(at)


def _note(
    audit: Audit, action: str, row: Sequence[Any], told: Mapping[str, object], *, user_id: int | None = None
) -> None:
    who = Actor(BY_SQL, source=BY_SQL.source, user_id=user_id)
    audit.note(action, actor=who, entity=("alert", row[0], row[1] or row[2] or row[3]), new=told)
