"""The whole difference between the databases, in few small functions a dialect. MySQL speaks MariaDB's here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

# Kinds of columns in rows that are handed over in bulk.
INT, FLOAT, TEXT, INSTANT = "int", "float", "text", "instant"
PRIMARY = "PRIMARY"


class Dialect:
    """What every database agrees on; subclasses say where one does not."""

    name: str
    column_types: Mapping[str, str]
    # The database's own clock, now, as a value for an instant's column.
    now_expression = "CURRENT_TIMESTAMP(6)"
    version_sql = "SELECT VERSION()"
    # What another value of tells that another connection has written; None where nothing does.
    data_version_sql: str | None = None
    # Appended to a SELECT that locks what it returns; the second kind passes over what others hold.
    lock = " FOR UPDATE"
    lock_skipping = " FOR UPDATE SKIP LOCKED"
    # Whether rows for one statement travel as a JSON text; else the driver loops over one prepared statement.
    takes_rows_as_json = True

    @property
    def now_sql(self) -> str:
        """Return the SELECT that reads the database's own clock."""
        return f"SELECT {self.now_expression}"

    def force_index(self, index: str) -> str:  # noqa: ARG002 — for those that can
        """Return what makes a read keep to an index, so that no sort or scan locks more rows than it returns."""
        return ""

    def instant(self, value: datetime) -> str:
        """Return an instant as the database reads it from text."""
        return value.astimezone(UTC).isoformat(sep=" ", timespec="microseconds")

    def read_instant(self, raw: object) -> datetime | None:
        """Return an instant, aware and in UTC, or None for none and for what is none (a zero date)."""
        if not isinstance(raw, datetime):
            return None
        return raw.replace(tzinfo=UTC) if raw.tzinfo is None else raw.astimezone(UTC)

    def rows_source(self, columns: Mapping[str, str]) -> str:
        """Return a table expression `v` of these columns over one JSON parameter."""
        raise NotImplementedError

    def value(self, name: str) -> str:
        """Return how a column of `rows_source` is named."""
        return f"v.{name}"

    def wide_select(self, columns: Sequence[str]) -> str:
        """Return a select list of many columns; `read_wide` takes apart what it finds."""
        return ", ".join(columns)

    def read_wide(self, row: tuple[Any, ...]) -> Sequence[Any]:
        """Return the values of the columns of a `wide_select`."""
        return row

    def update_joined(self, table: str, source: str, sets: str, where: str) -> str:
        """Return an UPDATE of *table* (t) joined with rows (v)."""
        raise NotImplementedError

    def version_problem(self, version: str) -> str | None:
        """Return what is wrong with a server of this version, or None."""
        raise NotImplementedError


class SQLite(Dialect):
    """Locks are the transaction's own: BEGIN IMMEDIATE lets one writer in at a time."""

    name = "sqlite"
    now_expression = "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now')"
    version_sql = "SELECT sqlite_version()"
    data_version_sql = "PRAGMA data_version"
    lock = lock_skipping = ""
    takes_rows_as_json = False

    def force_index(self, index: str) -> str:
        # Its planner takes a table of which it has no figures for small, and scans it.
        return f" INDEXED BY {index}" if index != PRIMARY else ""

    def instant(self, value: datetime) -> str:
        # Microseconds always, the zone never: these are compared as text.
        return value.astimezone(UTC).isoformat(sep=" ", timespec="microseconds")[:26]

    def read_instant(self, raw: object) -> datetime | None:
        return super().read_instant(_parsed(raw) if isinstance(raw, str) else None)

    def version_problem(self, version: str) -> str | None:
        return _too_old("SQLite", version, (3, 35))


class MySQL(Dialect):
    """MariaDB and MySQL."""

    name = "mysql"
    column_types: Mapping[str, str] = {
        INT: "BIGINT",
        FLOAT: "DOUBLE",
        # Said, since the database's default may be latin1: what does not fit there would become '?' in silence.
        TEXT: "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        INSTANT: "DATETIME(6)",
    }

    def force_index(self, index: str) -> str:
        return f" FORCE INDEX ({index})"

    def instant(self, value: datetime) -> str:
        return value.astimezone(UTC).isoformat(sep=" ", timespec="microseconds")[:26]

    def rows_source(self, columns: Mapping[str, str]) -> str:
        # Without ERROR ON ERROR a value that does not fit becomes NULL in silence.
        typed = ", ".join(
            f"v_{name} {self.column_types[kind]} PATH '$.{name}' NULL ON EMPTY ERROR ON ERROR"
            for name, kind in columns.items()
        )
        return f"JSON_TABLE(%s, '$[*]' COLUMNS ({typed})) v"

    def value(self, name: str) -> str:
        # In a joined UPDATE a column left of an `=` must not be found in both tables.
        return f"v.v_{name}"

    def wide_select(self, columns: Sequence[str]) -> str:
        # The driver is Python and takes some microseconds for each column; one JSON text it reads at once.
        return f"JSON_ARRAY({', '.join(columns)})"

    def read_wide(self, row: tuple[Any, ...]) -> Sequence[Any]:
        values: list[Any] = json.loads(row[0])
        return values

    def read_instant(self, raw: object) -> datetime | None:
        return super().read_instant(_parsed(raw) if isinstance(raw, str) else raw)

    def update_joined(self, table: str, source: str, sets: str, where: str) -> str:
        # Row by row through the primary key: a plan that scans the table would wait for rows that others hold.
        return f"UPDATE {source} STRAIGHT_JOIN {table} t FORCE INDEX (PRIMARY) ON {where} SET {sets}"

    def version_problem(self, version: str) -> str | None:
        if "MariaDB" in version:
            return _too_old("MariaDB", version.removeprefix("5.5.5-"), (10, 6))
        return _too_old("MySQL", version, (8, 0))


class PostgreSQL(Dialect):
    """PostgreSQL by psycopg 3."""

    name = "postgresql"
    column_types: Mapping[str, str] = {INT: "bigint", FLOAT: "double precision", TEXT: "text", INSTANT: "timestamptz"}
    now_expression = "clock_timestamp()"
    version_sql = "SHOW server_version"

    def rows_source(self, columns: Mapping[str, str]) -> str:
        typed = ", ".join(f"{name} {self.column_types[kind]}" for name, kind in columns.items())
        return f"jsonb_to_recordset(%s::jsonb) AS v({typed})"

    def update_joined(self, table: str, source: str, sets: str, where: str) -> str:
        return f"UPDATE {table} t SET {sets} FROM {source} WHERE {where}"

    def version_problem(self, version: str) -> str | None:
        return _too_old("PostgreSQL", version, (14,))


DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (SQLite(), MySQL(), PostgreSQL())}


def _parsed(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _too_old(product: str, version: str, needed: tuple[int, ...]) -> str | None:
    numbers = version.replace("-", " ").split(maxsplit=1)[0]
    found = tuple(int(part) for part in numbers.split(".") if part.isdigit())
    if found >= needed:
        return None
    return f"the server is {product} {version}, and {product} {'.'.join(map(str, needed))} or newer is needed."
