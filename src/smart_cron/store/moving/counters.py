"""The numbers that a table gives out next: behind every one that was ever given, since run files remember them."""

from __future__ import annotations

from django.db.models import AutoField

from smart_cron.store.moving.reading import Reader
from smart_cron.store.moving.shape import Table
from smart_cron.store.session import Session


def last_given(session: Session, table: Table) -> int:
    """Return the highest number that was given out, whether its row is still there or not."""
    read = {"sqlite": _sqlite, "mysql": _mysql, "postgresql": _postgresql}[session.dialect.name]
    return max(read(session, table), Reader(session, table).last(), 0)


def _sqlite(session: Session, table: Table) -> int:
    row = session.row("SELECT seq FROM sqlite_sequence WHERE name = %s", [table.name])
    return int(row[0]) if row else 0


def _mysql(session: Session, table: Table) -> int:
    row = session.row(
        "SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s",
        [table.name],
    )
    return int(row[0]) - 1 if row and row[0] else 0


def _postgresql(session: Session, table: Table) -> int:
    row = session.row("SELECT pg_get_serial_sequence(%s, 'id')", [table.name])
    found = session.row(f"SELECT last_value, is_called FROM {row[0]}") if row and row[0] else None
    return int(found[0]) if found and found[1] else 0


def count_on_from(session: Session, table: Table, number: int) -> None:
    """Let the table give out the numbers behind this one."""
    if number < 1 or not isinstance(table.columns[0].field, AutoField):
        return
    write = {"sqlite": _set_sqlite, "mysql": _set_mysql, "postgresql": _set_postgresql}[session.dialect.name]
    write(session, table, number)


def _set_sqlite(session: Session, table: Table, number: int) -> None:
    if not session.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = %s", [number, table.name]):
        session.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table.name, number])


def _set_mysql(session: Session, table: Table, number: int) -> None:
    session.execute(f"ALTER TABLE {table.name} AUTO_INCREMENT = %s", [number + 1])


def _set_postgresql(session: Session, table: Table, number: int) -> None:
    session.row("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table.name, number])
