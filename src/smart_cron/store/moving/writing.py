"""Many rows into a table, each dialect's fastest way that any account may use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from smart_cron.store.moving.canon import Row
from smart_cron.store.moving.shape import Table
from smart_cron.store.session import Session

# Of one statement: far below any server's max_allowed_packet, even where each byte has to be escaped.
STATEMENT_CHARACTERS = 250_000
# JSON spells what is no letter in two ways that a string of MariaDB does not know.
_FOREIGN_ESCAPE = re.compile(r"\\[uf]").search
# Each escape as a whole, so that an escaped backslash hides none.
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|(.))")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_SPECIAL = re.compile(r"[\\\t\n\r]").search


class Writer:
    """Writes rows in the one form (`canon`) into one table, within the caller's transaction."""

    def __init__(self, session: Session, table: Table) -> None:
        self._session, self._table = session, table
        write = {"sqlite": self._into_sqlite, "mysql": self._into_mysql, "postgresql": self._into_postgresql}
        self._write = write[session.dialect.name]

    def write(self, rows: Sequence[Row]) -> None:
        """Write these."""
        if rows:
            self._write(rows)

    def _into_sqlite(self, rows: Sequence[Row]) -> None:
        marks = ", ".join(["%s"] * len(self._table.columns))
        # A third of the time went into checks of instants, whose one form these have already.
        self._session.execute("PRAGMA ignore_check_constraints = ON")
        try:
            self._session.execute_each(f"INSERT INTO {self._table.name} ({self._table.listed}) VALUES ({marks})", rows)
        finally:
            self._session.execute("PRAGMA ignore_check_constraints = OFF")

    def _into_mysql(self, rows: Sequence[Row]) -> None:
        """A row's text in JSON is nearly a row of VALUES: `null`, numbers and strings are spelled alike.

        So nothing has to be escaped value by value, which PyMySQL does in Python.
        """
        for values in _statements(map(_values, rows)):
            self._session.execute_whole(f"INSERT INTO {self._table.name} ({self._table.listed}) VALUES {values}")

    def _into_postgresql(self, rows: Sequence[Row]) -> None:
        data = "".join([_copied(row) for row in rows])
        self._session.copy_in(f"COPY {self._table.name} ({self._table.listed}) FROM STDIN", data.encode())


def _values(row: Row) -> str:
    text = _encode(row)[1:-1]
    return f"({_ESCAPE.sub(_as_mysql, text) if _FOREIGN_ESCAPE(text) else text})"


def _as_mysql(found: re.Match[str]) -> str:
    code, letter = found.groups()
    if code is not None:
        # NUL has a spelling of its own; other control characters stand for themselves.
        return "\\0" if code == "0000" else chr(int(code, 16))
    return "\f" if letter == "f" else found[0]


def _statements(values: Iterator[str]) -> Iterator[str]:
    part: list[str] = []
    size = 0
    for value in values:
        if part and size + len(value) > STATEMENT_CHARACTERS:
            yield ",".join(part)
            part, size = [], 0
        part.append(value)
        size += len(value)
    if part:
        yield ",".join(part)


def _copied(row: Row) -> str:
    """Return a row as COPY reads it."""
    return (
        "\t".join(
            [
                "\\N"
                if value is None
                else repr(value)
                if type(value) is not str
                else value.translate(_ESCAPED)
                if _SPECIAL(value)
                else value
                for value in row
            ]
        )
        + "\n"
    )
