"""Pages of a table, each dialect's cheapest way: SQLite gives values, a server one text in JSON for each row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from smart_cron.core.errors import DatabaseError
from smart_cron.store.dialects import INSTANT, TEXT
from smart_cron.store.moving.canon import Row
from smart_cron.store.moving.shape import SINGLE, Column, Table
from smart_cron.store.session import Session

BEFORE_ALL = -(2**63)
_UNREADABLE = "\ufffd"
# A page is small, so that a table of outputs of 64 KB each takes no more memory than one of numbers.
MOST_ROWS, FEWEST_ROWS = 500, 20
PAGE_CHARACTERS = 4_000_000


def _as_it_is(column: Column) -> str:
    return column.name


def _mysql(column: Column) -> str:
    # A FLOAT is printed with six of its digits.
    return f"CAST({column.name} AS DOUBLE)" if column.kind == SINGLE else column.name


def _postgresql(column: Column) -> str:
    if column.kind == INSTANT:
        return f"to_char({column.name} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
    return column.name


EXPRESSIONS: Mapping[str, Callable[[Column], str]] = {
    "sqlite": _as_it_is,
    "mysql": _mysql,
    "postgresql": _postgresql,
}
_AS_ONE = {"mysql": "JSON_ARRAY({})", "postgresql": "json_build_array({})::text"}


class Reader:
    """Reads one table of one database in the order of its numbers."""

    def __init__(self, session: Session, table: Table) -> None:
        self._session, self.table = session, table
        vendor = session.dialect.name
        listed = ", ".join(map(EXPRESSIONS[vendor], table.columns))
        self._select = _AS_ONE.get(vendor, "{}").format(listed)
        self._is_text = vendor in _AS_ONE
        self._limit = MOST_ROWS
        # Of the page that was read last: its size, and where rows stand whose bytes may be no text.
        self.page_characters = 0
        self.odd: set[int] = set()

    def pages(self, *, after: int = BEFORE_ALL, until: int | None = None) -> Iterator[list[Row]]:
        """Yield the rows with after < id <= until."""
        bound = "" if until is None else " AND id <= %s"
        sql = f"SELECT {self._select} FROM {self.table.name} WHERE id > %s{bound} ORDER BY id LIMIT %s"
        while rows := self._page(sql, [after, *([] if until is None else [until]), self._limit]):
            after = rows[-1][0]
            yield rows

    def _page(self, sql: str, params: Sequence[object]) -> list[Row]:
        if self._is_text:
            found = self._session.rows(sql, params)
            self.page_characters = sum(len(text) for (text,) in found)
            rows: list[Row] = [json.loads(text) for (text,) in found]
        else:
            rows = list(map(list, self._strict_rows(sql, params)))
            self.page_characters = sum(len(value) for row in rows for value in row if type(value) is str)
        self._limit = max(FEWEST_ROWS, min(MOST_ROWS, PAGE_CHARACTERS * len(rows) // max(self.page_characters, 1)))
        return rows

    def _strict_rows(self, sql: str, params: Sequence[object]) -> list[tuple[Any, ...]]:
        """Read SQLite's rows: at once where all texts are texts, else such that those which are none can be told."""
        self.odd = set()
        try:
            with self._session.strict_texts():
                return self._session.rows(sql, params)
        except DatabaseError:
            rows = self._session.rows(sql, params)
            self.odd = {at for at, row in enumerate(rows) if any(type(v) is str and _UNREADABLE in v for v in row)}
            return rows

    def last(self) -> int:
        """Return the highest number in the table, BEFORE_ALL where it is empty."""
        row = self._session.row(f"SELECT MAX(id) FROM {self.table.name}")
        return BEFORE_ALL if row is None or row[0] is None else int(row[0])

    def first(self) -> int | None:
        """Return the smallest number in the table."""
        row = self._session.row(f"SELECT MIN(id) FROM {self.table.name}")
        return None if row is None or row[0] is None else int(row[0])

    def unreadable(self, row_id: int) -> list[str]:
        """Return the columns of a row whose bytes are no text. SQLite keeps any; servers let none in."""
        if self._is_text:
            return []
        names = [column.name for column in self.table.columns if column.kind in (TEXT, INSTANT)]
        listed = ", ".join(f"CAST({name} AS BLOB)" for name in names)
        row = self._session.row(f"SELECT {listed} FROM {self.table.name} WHERE id = %s", [row_id]) if names else None
        return [name for name, value in zip(names, row or (), strict=True) if not _is_text(value)]


def _is_text(value: bytes | None) -> bool:
    try:
        return value is None or bool(value.decode()) or True
    except UnicodeDecodeError:
        return False
