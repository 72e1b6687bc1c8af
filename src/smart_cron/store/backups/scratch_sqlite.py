"""A scratch place on SQLite: a file of its own beside the backups."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from smart_cron.core.backup import RefusedBackupError, TableSum, UnverifiableError
from smart_cron.store import setup
from smart_cron.store.backups import dump_sqlite, reading_sqlite
from smart_cron.store.backups.events import Counter, Rows
from smart_cron.store.backups.exchange import exchange_by_rows
from smart_cron.store.backups.literals import SQLITE_STRING
from smart_cron.store.backups.scratch import ALIAS, Place
from smart_cron.store.session import Session

_ANY_STRING = re.compile(SQLITE_STRING, re.DOTALL)
_ATTACHED = "scratch"


@contextmanager
def scratch(live: Session, *, folder: Path, stall_seconds: float) -> Iterator[SQLitePlace]:
    """Open an empty place in *folder*."""
    del stall_seconds  # There is no server that could stand still.
    with TemporaryDirectory(prefix=".scratch-", dir=folder) as place:
        yield from _opened(live, Path(place) / "scratch.db")


def _opened(live: Session, path: Path) -> Iterator[SQLitePlace]:
    # No statement is ever the same as another one, and each is as long as the rows in it: none is to be kept.
    with closing(sqlite3.connect(path, isolation_level=None, cached_statements=0)) as raw:
        # Whatever becomes of this machine, the file is of no use afterwards.
        raw.execute("PRAGMA journal_mode = OFF")
        raw.execute("PRAGMA synchronous = OFF")
        raw.text_factory = bytes
        place = SQLitePlace(live, path, raw)
        try:
            yield place
        finally:
            place.close()


class SQLitePlace(Place):
    """See `Place`. Rows get in and out by a plain connection, Django's is for migrations and the drill."""

    def __init__(self, live: Session, path: Path, raw: sqlite3.Connection) -> None:
        super().__init__(live, reading_sqlite.read)
        self._path, self._raw = path, raw
        self._session: Session | None = None
        self._indexes: list[str] = []

    @property
    def session(self) -> Session:
        if self._session is None:
            setup.derive(ALIAS, source=self._live.alias, NAME=str(self._path))
            self._session = Session(ALIAS)
        return self._session

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    def make_like_live(self, table: str) -> None:
        rows = self._live.rows(
            "SELECT sql FROM sqlite_master WHERE tbl_name = %s AND type IN ('table', 'index') AND sql IS NOT NULL"
            " ORDER BY type DESC",
            [table],
        )
        for (sql,) in rows:
            self._raw.execute(sql)

    def columns_of(self, table: str) -> dict[str, bool]:
        rows = self._raw.execute(f'PRAGMA table_xinfo("{table}")').fetchall()
        return {row[1].decode(): row[6] != 0 for row in rows}

    def before_rows(self) -> None:
        """Drop what one by one would cost more than all at once."""
        self.close()  # Nobody else may have it open: there is no journal.
        rows = self._raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        for name, sql in rows.fetchall():
            self._raw.execute(f'DROP INDEX "{name.decode()}"')
            self._indexes.append(sql.decode())
        self._raw.execute("BEGIN")

    def after_rows(self) -> None:
        self._raw.execute("COMMIT")
        for sql in self._indexes:
            try:
                self._raw.execute(sql)
            except sqlite3.Error as error:
                self._require_room(error)
                raise RefusedBackupError(f"rows contradict each other: {error}.") from None
        self._indexes.clear()

    def put(self, rows: Rows) -> None:
        columns = ", ".join(f'"{name}"' for name in rows.columns)
        data = b",".join(rows.rows)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = _ANY_STRING.sub(_by_bytes, data).decode()
        try:
            self._raw.execute(f'INSERT INTO "{rows.table}" ({columns}) VALUES {text}')
        except sqlite3.Error as error:
            self._require_room(error)
            raise RefusedBackupError(f"a row of {rows.table} does not fit: {error}.", line=rows.line) from None

    def _require_room(self, error: sqlite3.Error) -> None:
        if "disk" in str(error):
            raise UnverifiableError(
                f"there is no room to restore it into ({error}).", remedy=f"Make room in {self._path.parent.parent}."
            )

    def count_on(self, counter: Counter) -> None:
        known = self._raw.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", [counter.table]).fetchone()
        if known is None:
            sql = "INSERT INTO sqlite_sequence (seq, name) VALUES (?, ?)"
        else:
            sql = "UPDATE sqlite_sequence SET seq = ?1 WHERE name = ?2 AND seq < ?1"
        self._raw.execute(sql, [counter.number - 1, counter.table])

    def sums(self, tables: Sequence[str]) -> dict[str, TableSum]:
        return dump_sqlite.sums_of(self._raw, tables)

    def _read_only(self, *, on: bool) -> None:
        self.session.rows(f"PRAGMA query_only = {int(on)}")

    def take_place(
        self, tables: Sequence[str], *, actor: str, name: str, accounts: Sequence[str] | None = None
    ) -> list[str]:
        """Put the rows in the place of the live ones, in one transaction of the live file.

        Not by another file in its place: whoever has the old one open would write into nothing, and what the log of
        changes still holds of it would be taken for the new one's.
        """
        self.close()
        live: Any = self._live
        live.row("SELECT 1")
        live.connection.connection.execute(f"ATTACH DATABASE ? AS {_ATTACHED}", [str(self._path)])
        try:
            return exchange_by_rows(
                self._live, f"{_ATTACHED}.", "main.", tables, actor=actor, name=name, accounts=accounts
            )
        finally:
            live.connection.connection.execute(f"DETACH DATABASE {_ATTACHED}")


def _by_bytes(found: re.Match[bytes]) -> bytes:
    """Return a text that is not UTF-8, which no statement can hold, by its bytes."""
    try:
        found[0].decode()
    except UnicodeDecodeError:
        value = found[0][1:-1].replace(b"''", b"'")
        return b"CAST(X'%s' AS TEXT)" % value.hex().encode()
    return found[0]
