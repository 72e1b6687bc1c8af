"""Procedures on MariaDB and MySQL, functions on PostgreSQL; SQLite has neither. What they do: docs/database.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from smart_cron.store.public import mysql_routines, postgresql_routines
from smart_cron.store.public.refusal import refusal

if TYPE_CHECKING:
    from smart_cron.store.session import Session

ROUTINES: Mapping[str, Mapping[str, str]] = {
    "sqlite": {},
    "mysql": mysql_routines.ROUTINES,
    "postgresql": postgresql_routines.ROUTINES,
}
_KIND = {"mysql": "PROCEDURE", "postgresql": "FUNCTION"}
_THERE = {
    "mysql": "SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE()",
    "postgresql": "SELECT proname FROM pg_catalog.pg_proc WHERE pronamespace = current_schema()::regnamespace",
}


def create(session: Session) -> list[str]:
    """Make or replace them; return a sentence for each that this server or account does not let us make."""
    routines = ROUTINES[session.dialect.name]
    return [sentence for name, text in routines.items() if (sentence := _made(session, name, text))]


def _made(session: Session, name: str, text: str) -> str | None:
    kind = _KIND[session.dialect.name]

    def make() -> None:
        with session.transaction():
            # Not only replaced: PostgreSQL keeps to the columns that were returned, and MySQL cannot replace.
            session.execute(f"DROP {kind} IF EXISTS {name}")
            session.execute(text.replace("%", "%%"))

    reason = refusal(session, make)
    return f"the {kind.lower()} {name} could not be made: {reason}" if reason else None


def missing(session: Session) -> list[str]:
    """Return a sentence for each that is not there, or that this account may not see."""
    routines = ROUTINES[session.dialect.name]
    there = {row[0] for row in session.rows(_THERE[session.dialect.name])} if routines else set()
    return [f"the {_KIND[session.dialect.name].lower()} {name} is missing." for name in routines if name not in there]


def drop(session: Session) -> None:
    """Leave them: they look at the tables when they are called, and no migration minds them."""
    del session
