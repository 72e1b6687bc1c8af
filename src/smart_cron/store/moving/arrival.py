"""The new database before and after: what stands there, what marks it as not yet whole, and the moment it is whole."""

from __future__ import annotations

import re
from collections.abc import Sequence

from smart_cron.core.move import MoveRefusedError, TableMoved
from smart_cron.core.node import HoldKind
from smart_cron.store import derived, schema
from smart_cron.store.audit import Audit
from smart_cron.store.moving.accounts import Accounts
from smart_cron.store.moving.shape import HOLDS, Table, tables
from smart_cron.store.session import Session

_MARK = re.compile(r"\[move ([0-9a-f]{32})\]")


def with_mark(reason: str, token: str) -> str:
    """Return a hold's reason that names the move."""
    return f"{reason} [move {token}]"


def mark_in(reason: str) -> str | None:
    """Return the move that a hold's reason names."""
    found = _MARK.search(reason)
    return found[1] if found else None


def prepare(session: Session, token: str, *, actor: str) -> bool:
    """Make the tables and mark them as not whole; say whether an earlier call of this very move did so already.

    While the mark stands no master works there. Raise MoveRefusedError, naming what stands there, where anything does.
    """
    schema.check_server(session)
    if not schema.tables_of_ours(session):
        session.migrate()
    else:
        schema.refuse_newer(session)
        found = marked(session)
        if found == token:
            derived.drop(session)
            return True
        _refuse_occupied(session, found)
        schema.drop_unfinished(session)
        session.migrate()
    # Triggers that guard the audit log would refuse what is copied; `complete` makes them anew.
    derived.drop(session)
    _mark(session, token, actor)
    return False


def marked(session: Session) -> str | None:
    """Return the move that has begun to fill this database, or None."""
    if HOLDS not in schema.tables_of_ours(session):
        return None
    row = session.row(f"SELECT reason FROM {HOLDS} WHERE kind = %s", [HoldKind.ARRIVING])
    return mark_in(row[0]) if row else None


def refuse_occupied(session: Session) -> None:
    """Raise MoveRefusedError where anything of ours stands there, for whoever only looks."""
    if schema.tables_of_ours(session):
        _refuse_occupied(session, marked(session))


def _refuse_occupied(session: Session, mark: str | None) -> None:
    full = [name for name in schema.tables_of_ours(session) if session.row(f"SELECT 1 FROM {name} LIMIT 1")]
    if not full:
        return
    whose = "another move that has not ended" if mark else "another Smart Cron, or another program with names of ours"
    raise MoveRefusedError(
        f"the new database holds data of {whose}: {', '.join(full)}.",
        remedy="Name an empty one; or, where nobody needs what stands there, drop that database and create it anew.",
    )


def _mark(session: Session, token: str, actor: str) -> None:
    # Without an audit row: the log is still to come, with numbers of its own.
    reason = with_mark("a move into this database has not ended: call 'smart-cron db move' again", token)
    session.execute(
        f"INSERT INTO {HOLDS} (kind, reason, actor) VALUES (%s, %s, %s)", [HoldKind.ARRIVING, reason, actor[:100]]
    )


def is_complete(session: Session, token: str) -> bool:
    """Whether this very move has ended there."""
    if "smart_cron_audit_log" not in schema.tables_of_ours(session) or marked(session) is not None:
        return False
    return bool(
        session.row("SELECT id FROM smart_cron_audit_log WHERE action = 'move' AND new_values LIKE %s", [f"%{token}%"])
    )


def complete(
    session: Session, source: Session, token: str, *, accounts: Accounts, actor: str, told: dict[str, object]
) -> tuple[list[str], list[TableMoved]]:
    """Take the mark away, with the holds and the accounts that the old database had.

    Return a sentence for each view or trigger missing, and the accounts' tables. From this transaction's end on
    masters may work there.
    """
    missing = derived.create(session)
    accounts.count_on(session)
    columns = next(table for table in tables() if table.name == HOLDS).names
    holds = source.rows(f"SELECT {', '.join(columns)} FROM {HOLDS} WHERE kind <> %s ORDER BY id", [HoldKind.MOVED])
    at = columns.index("created_at")
    with session.transaction():
        session.execute(f"DELETE FROM {HOLDS}")
        for hold in holds:
            values = [_instant(source, session, value) if place == at else value for place, value in enumerate(hold)]
            marks = ", ".join(["%s"] * len(columns))
            session.execute(f"INSERT INTO {HOLDS} ({', '.join(columns)}) VALUES ({marks})", values)
        moved = accounts.copy(session)
        Audit(session).note("move", actor=actor, entity=("database", 0, "smart_cron"), new={**told, "move": token})
    return missing, moved


def _instant(source: Session, target: Session, value: object) -> str | None:
    found = source.dialect.read_instant(value)
    return None if found is None else target.dialect.instant(found)


def moved_tables() -> Sequence[Table]:
    """Return the tables whose rows are carried over; holds go in the end, all at once."""
    return [table for table in tables() if table.name != HOLDS]


def holds_table() -> Table:
    """Return the table of holds."""
    return next(table for table in tables() if table.name == HOLDS)


def left_behind(session: Session) -> list[str]:
    """Return what of the old database does not move: columns that somebody added to our tables."""
    found = []
    for table in tables():
        extra = sorted(schema.columns(session, table.name) - schema.columns_of(table.name))
        found += [f"{table.name}.{column}" for column in extra]
    return found
