"""Emptying tables between tests, the audit log among them, which refuses that while its triggers are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from smart_cron.store import audit_guard
from smart_cron.store.session import Session


def empty(session: Session, tables: Iterable[str]) -> None:
    """Delete every row, and let the audit log begin anew."""
    if session.row("SELECT id FROM smart_cron_audit_log LIMIT 1"):
        with unguarded(session):
            _empty(session, tables)
    else:
        _empty(session, tables)


def _empty(session: Session, tables: Iterable[str]) -> None:
    with session.transaction():
        for table in tables:
            session.execute(f"DELETE FROM {table}")
        session.execute("DELETE FROM smart_cron_audit_head")


@contextmanager
def unguarded(session: Session) -> Iterator[None]:
    """Take the triggers away for as long as this lasts, as somebody may who owns the tables."""
    audit_guard.drop(session)
    try:
        yield
    finally:
        assert audit_guard.create(session) == []
