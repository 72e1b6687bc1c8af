"""Many rows by one statement.

MariaDB, MySQL and PostgreSQL take the rows as one JSON text that the statement joins; SQLite, which is in this process,
takes them one by one through a statement prepared once. Either way the statement is written once: `{name}` stands for a
row's value, `t` for the table; what stands right of an `=` names the table, since rows have columns of the same name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from smart_cron.store.dialects import TEXT, Dialect
from smart_cron.store.session import Session

# A statement stays far below any server's max_allowed_packet (1 MB on the smallest that are met).
STATEMENT_BYTES = 500_000
STATEMENT_ROWS = 200

Row = Mapping[str, object]
Columns = tuple[tuple[str, str], ...]
_MARK = re.compile(r"\{(\w+)\}")
# A statement is written once and is equal to itself alone: to find its SQL by all its columns would cost as much as it.


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UpdateEach:
    """An UPDATE of the rows that `where` finds for each row of values; `columns` are the values' kinds.

    `wide` says that values may be long, so that rows are weighed before they are put into one statement.
    """

    table: str
    columns: Columns
    sets: str
    where: str
    wide: bool = False

    def run(self, session: Session, rows: Sequence[Row]) -> int:
        """Run it for all rows; return how many rows of the table matched."""
        if not rows:
            return 0
        sql, order = _update(self, session.dialect)
        parts = _weighed(rows) if self.wide else _counted(rows)
        return sum(_run(session, sql, order, part, self.columns) for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InsertEach:
    """An INSERT of each row, passing over those whose `key` is there already, where one is given."""

    table: str
    columns: Columns
    key: tuple[str, ...] = ()

    def run(self, session: Session, rows: Sequence[Row]) -> int:
        """Run it for all rows; return how many were new."""
        if not rows:
            return 0
        sql, order = _insert(self, session.dialect)
        return sum(_run(session, sql, order, part, self.columns) for part in _counted(rows))


def placeholders(values: Sequence[object]) -> str:
    """Return `%s, %s, …` for an IN list."""
    return ", ".join(["%s"] * len(values))


def _counted(rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
    return (rows[start : start + STATEMENT_ROWS] for start in range(0, len(rows), STATEMENT_ROWS))


def _weighed(rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
    """Cut rows so that no statement grows too long; a character may take six bytes in JSON."""
    part: list[Row] = []
    size = 0
    for row in rows:
        length = sum(len(value) for value in row.values() if isinstance(value, str))
        if part and size + length > STATEMENT_BYTES:
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    if part:
        yield part


def _run(session: Session, sql: str, order: Sequence[str], rows: Sequence[Row], columns: Columns) -> int:
    if not session.dialect.takes_rows_as_json:
        texts = {name for name, kind in columns if kind == TEXT}
        return session.execute_each(
            sql, [[storable(row[name]) if name in texts else row[name] for name in order] for row in rows]
        )
    text = json.dumps(rows, ensure_ascii=False)
    if not text.isascii() or "\\u0000" in text:
        text = json.dumps([{name: storable(value) for name, value in row.items()} for row in rows], ensure_ascii=False)
    return session.execute(sql, [text, len(rows)] if session.dialect.name == "postgresql" else [text])


def storable(value: object) -> object:
    """Return what every database takes: one NUL or half a character would fail the whole batch."""
    if not isinstance(value, str):
        return value
    if not value.isascii():
        value = value.encode("utf-8", "replace").decode()
    return value.replace("\0", "\ufffd") if "\0" in value else value


def _source(columns: Columns, dialect: Dialect) -> str:
    source = dialect.rows_source(dict(columns))
    # PostgreSQL takes JSON for a hundred rows, and then reads a table of some thousands from end to end.
    return f"(SELECT * FROM {source} LIMIT %s) AS v" if dialect.name == "postgresql" else source


@lru_cache(maxsize=64)
def _update(statement: UpdateEach, dialect: Dialect) -> tuple[str, Sequence[str]]:
    if dialect.takes_rows_as_json:
        source = _source(statement.columns, dialect)
        sets, where = (_MARK.sub(dialect.value(r"\1"), part) for part in (statement.sets, statement.where))
        return dialect.update_joined(statement.table, source, sets, where), ()
    return _one_by_one(f"UPDATE {statement.table} AS t SET {statement.sets} WHERE {statement.where}")


@lru_cache(maxsize=64)
def _insert(statement: InsertEach, dialect: Dialect) -> tuple[str, Sequence[str]]:
    names = [name for name, _ in statement.columns]
    into = f"INSERT INTO {statement.table} ({', '.join(names)})"
    conflict = f" ON CONFLICT ({', '.join(statement.key)}) DO NOTHING" if statement.key else ""
    if not dialect.takes_rows_as_json:
        return _one_by_one(f"{into} VALUES ({', '.join(f'{{{name}}}' for name in names)}){conflict}")
    source = _source(statement.columns, dialect)
    select = f"{into} SELECT {', '.join(map(dialect.value, names))} FROM {source}"
    if dialect.name == "mysql":
        # Not INSERT IGNORE, which swallows other faults too. A row that another transaction inserts in this very
        # moment ends in error 1062, which restarts the transaction.
        conflict = _unless_there(statement, dialect) if statement.key else ""
    return select + conflict, ()


def _unless_there(statement: InsertEach, dialect: Dialect) -> str:
    same = " AND ".join(f"t.{name} = {dialect.value(name)}" for name in statement.key)
    return f" WHERE NOT EXISTS (SELECT 1 FROM {statement.table} t WHERE {same})"


def _one_by_one(sql: str) -> tuple[str, Sequence[str]]:
    return _MARK.sub("%s", sql), _MARK.findall(sql)
