"""A dump of SQLite: a copy of the file made in one step, then its text.

The live file is read no longer than the copy takes: a long read would keep its log of changes growing.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from smart_cron.core.backup import Dumped, RefusedBackupError, TableSum
from smart_cron.store.backups import heads
from smart_cron.store.backups.events import Sums
from smart_cron.store.schema import applied_migrations, migrations_of
from smart_cron.store.session import Session

# Rows of one INSERT, at most; and bytes after which a statement ends.
_ROWS = 200
_BYTES = 500_000


def dump(
    session: Session, tables: Sequence[str], write: Callable[[bytes], object], *, stall_seconds: float, folder: Path
) -> Dumped:
    """Write the dump, by way of a copy in *folder*."""
    del stall_seconds  # There is no server that could stand still.
    migrations, now = applied_migrations(session), session.now()
    with _copied(session, folder) as copy:
        write(b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n")
        write(heads.head("sqlite", migrations_of(session, tables), now=now))
        sums = Sums()
        for table in tables:
            _write_table(copy, table, write, sums)
        for kind in ("index", "view", "trigger"):
            _write_made(copy, kind, tables, write)
        write(b"COMMIT;\n")
    return Dumped(server=sqlite3.sqlite_version, migrations=tuple(migrations), tables=sums.tables())


@contextmanager
def _copied(session: Session, folder: Path) -> Iterator[sqlite3.Connection]:
    session.row("SELECT 1")  # Connects, where that has not happened yet.
    live: Any = session.connection.connection
    with TemporaryDirectory(prefix=".copy-", dir=folder) as place:
        path = os.path.join(place, "copy.db")
        with closing(sqlite3.connect(path, isolation_level=None)) as copy:
            try:
                copy.execute("PRAGMA synchronous = OFF")
                live.backup(copy, pages=-1)
            except sqlite3.Error as error:
                raise RefusedBackupError(
                    f"the database file cannot be copied: {error}.", remedy=f"Make room in {folder}, and try again."
                ) from None
            copy.text_factory = bytes
            yield copy


def _write_table(copy: sqlite3.Connection, table: str, write: Callable[[bytes], object], sums: Sums) -> None:
    sums.meet(table)
    made = copy.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", [table]).fetchone()
    if made is None:
        raise RefusedBackupError(f"the table {table} is not there.", remedy="Run 'smart-cron db migrate'.")
    write(f'DROP TABLE IF EXISTS "{table}";\n'.encode() + made[0] + b";\n")
    columns = stored_columns(copy, table)
    head = f'INSERT INTO "{table}" ({_listed(columns)}) VALUES'.encode()
    for rows in row_texts(copy, table, columns):
        sums.add(table, rows)
        write(head + b"\n" + b",\n".join(rows) + b";\n")
    counter = copy.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", [table]).fetchone()
    if counter:
        write(f"DELETE FROM sqlite_sequence WHERE name = '{table}';\n".encode())
        write(f"INSERT INTO sqlite_sequence VALUES('{table}',{int(counter[0])});\n".encode())


def _write_made(copy: sqlite3.Connection, kind: str, tables: Sequence[str], write: Callable[[bytes], object]) -> None:
    rows = copy.execute("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = ? AND sql IS NOT NULL", [kind])
    for name, table, sql in rows.fetchall():
        is_ours = name.startswith(b"smart_cron_") if kind == "view" else table.decode() in tables
        if is_ours:
            drop = b"" if kind == "index" else b'DROP %s IF EXISTS "%s";\n' % (kind.upper().encode(), name)
            write(drop + sql + b";\n")


def stored_columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """Return the columns of a table for which rows hold values: those that are not computed."""
    rows = connection.execute(f'PRAGMA table_xinfo("{table}")').fetchall()
    return [_text(row[1]) for row in rows if row[6] == 0]


def row_texts(connection: sqlite3.Connection, table: str, columns: Sequence[str]) -> Iterator[list[bytes]]:
    """Yield the rows of a table as text, some at a time; *connection* must give texts as bytes."""
    values = " || ',' || ".join(map(_value, columns))
    cursor = connection.execute(f"""SELECT '(' || {values} || ')' FROM "{table}" """)
    rows: list[bytes] = []
    size = 0
    for (text,) in cursor:
        rows.append(text)
        size += len(text)
        if len(rows) == _ROWS or size > _BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _value(column: str) -> str:
    # What SQLite quotes ends at a zero byte, so a text with one is written by its bytes.
    return (
        f"""CASE WHEN typeof("{column}") = 'text' AND instr(CAST("{column}" AS BLOB), x'00') THEN"""
        f""" 'CAST(X''' || hex("{column}") || ''' AS TEXT)' ELSE quote("{column}") END"""
    )


def sums_of(connection: sqlite3.Connection, tables: Sequence[str]) -> dict[str, TableSum]:
    """Return the sums of these tables as their dump would give them; *connection* must give texts as bytes."""
    sums = Sums()
    for table in tables:
        sums.meet(table)
        for rows in row_texts(connection, table, stored_columns(connection, table)):
            sums.add(table, rows)
    return sums.tables()


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
