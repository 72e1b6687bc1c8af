"""Rows of the PHP system's tables as values by column name, instants in UTC whatever zone they were written in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timezone
from zoneinfo import ZoneInfo

from smart_cron.core.adoption import Values, in_utc
from smart_cron.store.adoption.php_system import column_types
from smart_cron.store.dialects import INSTANT, TEXT
from smart_cron.store.moving.shape import Column, Table
from smart_cron.store.session import Session

PAGE_ROWS = 200


class PhpReader:
    """Reads what fits into *table* from the PHP system's table *name*, in the order of its numbers.

    Without a *zone* the server says in which its DATETIMEs were written: its own. `missing` are columns without which
    nothing fits; *given* ones are found by whoever reads.
    """

    def __init__(
        self,
        session: Session,
        table: Table,
        name: str,
        zone: ZoneInfo | timezone | None,
        *,
        given: frozenset[str] = frozenset(),
    ) -> None:
        self._session, self._name, self._zone = session, name, zone
        types = column_types(session, name)
        self._columns = [column for column in table.columns if column.name in types]
        self._local = [column.name for column in self._columns if types[column.name] == "datetime"]
        self.missing = self._lacking(table, set(types) | given)
        # What the PHP system has and we do not: it stays where it is.
        self.unknown = sorted(set(types) - set(table.names))
        self._listed = ", ".join(self._expression(column.name, column.kind) for column in self._columns)

    def _lacking(self, table: Table, there: set[str]) -> list[str]:
        return [column.name for column in table.columns if column.name not in there and _must_be_given(column)]

    def _expression(self, name: str, kind: str) -> str:
        if kind == TEXT:
            return f"CONVERT({name} USING utf8mb4)"
        if name in self._local and self._zone is None:
            # A zero date is no date there either: it stays what it is, to be told.
            return f"IFNULL(CONVERT_TZ({name}, @@global.time_zone, '+00:00'), {name})"
        return name

    def pages(self, after: int) -> Iterator[list[Values]]:
        """Yield the rows behind this number."""
        sql = f"SELECT id, JSON_ARRAY({self._listed}) FROM {self._name} WHERE id > %s ORDER BY id LIMIT {PAGE_ROWS}"
        while rows := self._session.rows(sql, [after]):
            after = rows[-1][0]
            yield [self._values(json.loads(text)) for _, text in rows]

    def _values(self, row: Sequence[object]) -> Values:
        values: Values = {column.name: value for column, value in zip(self._columns, row, strict=True)}
        if self._zone is not None:
            for name in self._local:
                if values[name] is not None:
                    values[name] = in_utc(values[name], self._zone)
        return values

    def count(self) -> int:
        """Return how many rows there are."""
        row = self._session.row(f"SELECT COUNT(*) FROM {self._name}")
        return int(row[0]) if row else 0


def _must_be_given(column: Column) -> bool:
    # Only a number makes a table readable in pages; an instant is that of the adoption where there is none.
    return column.name == "id" or (column.is_required and column.default is None and column.kind != INSTANT)
