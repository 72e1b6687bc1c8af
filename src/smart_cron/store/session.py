"""One database as this process sees it: its connection, transactions and clock. The port `Database`."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.transaction import atomic

from smart_cron.core.errors import DatabaseConflictError, DatabaseError, DatabaseUnavailableError
from smart_cron.store import schema, setup
from smart_cron.store.cursors import as_it_is, as_sqlite_reads_it, new_cursor
from smart_cron.store.dialects import DIALECTS, Dialect
from smart_cron.store.fairness import Fairness
from smart_cron.store.faults import told_in_ours

if TYPE_CHECKING:
    from smart_cron.core.adoption import Adoption

_T = TypeVar("_T")
# How often a change asked for by a person is tried again after a deadlock, as long as its time lasts.
TRIES = 5
# Whoever waits for a lock for longer is told so, where somebody watches.
QUIET_SECONDS = 2.0


class Session:
    """Statements on one connection a thread, errors told in ours."""

    def __init__(self, alias: str, *, timeout_seconds: float = setup.DEFAULT_TIMEOUT_SECONDS) -> None:
        self.alias, self._timeout_seconds = alias, timeout_seconds
        self._tell_waiting: Callable[[], None] | None = None
        self._threads = threading.local()
        self.dialect: Dialect = DIALECTS[self.connection.vendor]
        self._secret = str(self.connection.settings_dict.get("PASSWORD") or "")
        self._is_sqlite = self.dialect.name == "sqlite"
        self._spelled = as_sqlite_reads_it if self._is_sqlite else as_it_is
        # Sentences of the last `migrate` on views, routines and triggers that could not be made.
        self.not_made: tuple[str, ...] = ()
        connection_created.connect(_prepare, dispatch_uid="smart_cron.store")

    @property
    def connection(self) -> BaseDatabaseWrapper:
        """Django's connection of this thread."""
        # Django's own look-up costs as much as a small statement.
        known: tuple[int, BaseDatabaseWrapper] | None = getattr(self._threads, "known", None)
        if known is None or known[0] != setup.times_configured:
            known = self._threads.known = (setup.times_configured, connections[self.alias])
        return known[1]

    def tell_waiting(self, tell: Callable[[], None] | None) -> None:
        """Have *tell* called, once and on another thread, where a transaction takes long; None: never."""
        self._tell_waiting = tell

    @contextmanager
    def _watched(self) -> Iterator[None]:
        if self._tell_waiting is None:
            yield
            return
        timer = threading.Timer(QUIET_SECONDS, self._tell_once)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _tell_once(self) -> None:
        tell, self._tell_waiting = self._tell_waiting, None
        if tell is not None:
            tell()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Open a transaction, or join the one that is open: then the outermost commits."""
        if self.connection.in_atomic_block:
            yield
            return
        deferred = self._threads.deferred = defaultdict(list)
        fairness = self._fairness()
        if fairness:
            self._follow()
            fairness.before()
        try:
            with self._watched(), told_in_ours(self._secret), atomic(using=self.alias):
                yield
                while deferred:
                    # One may defer to another.
                    act = next(iter(deferred))
                    act(deferred.pop(act))
        except DatabaseUnavailableError:
            # The server may be back already; only a new connection can tell.
            self.close()
            raise
        finally:
            self._threads.deferred = None
            if fairness:
                fairness.after()

    def defer(self, act: Callable[[list[_T]], None], item: _T) -> None:
        """Have *act* be handed all items of the open transaction as its last step, or this one at once.

        Many rows are one statement then, and what everybody must take in turns is held for a moment only.
        """
        deferred = getattr(self._threads, "deferred", None)
        if deferred is not None:
            deferred[act].append(item)
            return
        with self.transaction():
            act([item])

    def _fairness(self) -> Fairness | None:
        """Return this thread's own, on SQLite: what another thread held is its waiting."""
        if not self._is_sqlite:
            return None
        found: Fairness | None = getattr(self._threads, "fairness", None)
        if found is None:
            found = self._threads.fairness = Fairness(time.monotonic, time.sleep)
        return found

    def again(self, work: Callable[[], _T]) -> _T:
        """Run *work* in a transaction, and again from its start after a conflict with another one.

        A lock is waited for by every try, so no other is made once one call's time is over.
        """
        ends_at = time.monotonic() + self._timeout_seconds
        joined = self.connection.in_atomic_block
        for left in range(0 if joined else TRIES - 1, -1, -1):
            try:
                with self.transaction():
                    return work()
            except DatabaseConflictError:
                if not left or time.monotonic() >= ends_at:
                    raise
        raise AssertionError("the last try returns or raises")

    def execute(self, sql: str, params: Sequence[object] = ()) -> int:
        """Run one statement; return how many rows it matched."""
        with self._cursor() as cursor:
            cursor.execute(self._spelled(sql), params)
            return int(cursor.rowcount)

    def execute_each(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        """Run one statement for each row, prepared once; return how many rows it matched in all."""
        with self._cursor() as cursor:
            cursor.executemany(self._spelled(sql), rows)
            return int(cursor.rowcount)

    @contextmanager
    def strict_texts(self) -> Iterator[None]:
        """Refuse, on SQLite, rows with bytes that are no text; it is faster than replacing them."""
        raw: Any = self.connection.connection
        if raw is None or not self._is_sqlite:
            yield
            return
        tolerant, raw.text_factory = raw.text_factory, str
        try:
            yield
        finally:
            raw.text_factory = tolerant

    def execute_whole(self, sql: str) -> None:
        """Run one statement in which the values stand already, spelled for this database."""
        with self._cursor() as cursor:
            cursor.execute(sql)

    def copy_in(self, sql: str, data: bytes) -> None:
        """Run a COPY … FROM STDIN of PostgreSQL with these rows."""
        with self._cursor() as cursor, cursor.copy(sql) as copy:
            copy.write(data)

    def insert(self, sql: str, params: Sequence[object] = ()) -> int:
        """Run an INSERT of one row; return its id."""
        with self._cursor() as cursor:
            if self.dialect.name == "mysql":
                cursor.execute(self._spelled(sql), params)
                return int(cursor.lastrowid)
            cursor.execute(self._spelled(f"{sql} RETURNING id"), params)
            return int(cursor.fetchone()[0])

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a SELECT; return its rows."""
        with self._cursor() as cursor:
            cursor.execute(self._spelled(sql), params)
            return list(cursor.fetchall())

    def wide_rows(self, columns: Sequence[str], tail: str, params: Sequence[object] = ()) -> list[Sequence[Any]]:
        """Run a SELECT of many columns, of which *tail* is all from FROM on; return its rows."""
        read = self.dialect.read_wide
        return [read(row) for row in self.rows(f"SELECT {self.dialect.wide_select(columns)} {tail}", params)]

    def row(self, sql: str, params: Sequence[object] = ()) -> tuple[Any, ...] | None:
        """Run a SELECT; return its first row."""
        found = self.rows(sql, params)
        return found[0] if found else None

    def dictionaries(self, sql: str, params: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Run a SELECT; return its rows keyed by column name."""
        with self._cursor() as cursor:
            cursor.execute(self._spelled(sql), params)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        connection = self.connection
        if self._is_sqlite and not connection.in_atomic_block:
            self._follow()
        try:
            with told_in_ours(self._secret), connection.wrap_database_errors, closing(new_cursor(connection)) as cursor:
                yield cursor
        except DatabaseUnavailableError:
            if not connection.in_atomic_block:
                self.close()
            raise
        except UnicodeEncodeError as error:
            raise DatabaseError(f"{error.object!r:.100} is not text that a database can hold.") from None

    def now(self) -> datetime:
        """Return the database's own clock."""
        found = self.row(self.dialect.now_sql)
        now = self.dialect.read_instant(found[0] if found else None)
        assert now is not None
        return now

    def written_elsewhere(self) -> bool:
        """Say whether another connection may have written since this thread's last call; if nobody can tell, yes."""
        if self.dialect.data_version_sql is None:
            return True
        # Of this connection alone: another thread's would be told in figures of its own, and its news be ours.
        before: tuple[Any, ...] | None = getattr(self._threads, "data_version", None)
        self._threads.data_version = found = self._asked_of_file(self.dialect.data_version_sql)
        return before != found

    def _asked_of_file(self, sql: str) -> tuple[Any, ...]:
        """Return the answer of SQLite itself: a cursor of Django's costs more than this question, asked each second."""
        connection = self.connection
        self._follow()
        try:
            with told_in_ours(self._secret), connection.wrap_database_errors:
                connection.ensure_connection()
                raw: Any = connection.connection
                found: tuple[Any, ...] = raw.execute(sql).fetchone()
                return found
        except DatabaseUnavailableError:
            self.close()
            raise

    def follow_by_hand(self) -> None:
        """Let this thread go over to another SQLite file by `follow_file` alone: a master must know its database."""
        self._threads.follows_by_hand = True

    def _follow(self) -> None:
        if not getattr(self._threads, "follows_by_hand", False):
            self.follow_file()

    def follow_file(self) -> None:
        """Hang up where another file has taken the place of SQLite's: a restore puts it there under our feet."""
        connection = self.connection
        opened: tuple[int, int] | None = getattr(connection, "smart_cron_file", None)
        if opened is not None and connection.connection is not None and _file_of(connection) != opened:
            self.close()

    def server(self) -> str:
        """Return which database this is, and its version in its own words."""
        row = self.row(self.dialect.version_sql)
        version = str(row[0]) if row else "of no version"
        name = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(self.dialect.name, "")
        return f"{name or ('MariaDB' if 'MariaDB' in version else 'MySQL')} {version}"

    def check(self) -> None:
        """Raise SchemaError or DatabaseUnavailableError unless server and tables fit this code."""
        with told_in_ours(self._secret):
            schema.check_server(self)
            schema.check_tables(self)

    def has_tables(self) -> bool:
        """Whether any table of ours is there, however old."""
        return schema.has_tables(self)

    def make_missing_tables(self) -> list[str]:
        """Make the tables that this version has and somebody dropped, empty; return their names."""
        return schema.make_missing(self)

    def migrate(self, adoption: Adoption | None = None) -> list[str]:
        """Bring the tables up to date; return the names of the migrations applied.

        *adoption* says how the tables of the original PHP system are taken over; without it SchemaError tells of them.
        """
        schema.check_server(self)
        with told_in_ours(self._secret):
            return schema.migrate(self, adoption)

    def migrate_others(self) -> list[str]:
        """Bring the tables of the process's other applications up to date; return the names of the migrations."""
        schema.check_server(self)
        with told_in_ours(self._secret):
            return schema.migrate_others(self)

    def close(self) -> None:
        """Close the connection; the next use opens another, which may have missed what was written meanwhile."""
        self._threads.data_version = None
        with told_in_ours(self._secret):
            self.connection.close()


def _prepare(connection: BaseDatabaseWrapper, **_: object) -> None:
    """Set up what Django has no setting for, on each new connection."""
    raw: Any = connection.connection
    if connection.vendor == "sqlite":
        # One row with a byte that is not UTF-8 must not make a whole batch unreadable.
        raw.text_factory = functools.partial(str, encoding="utf-8", errors="replace")
        connection.smart_cron_file = _file_of(connection)  # type: ignore[attr-defined]
    elif connection.vendor == "postgresql":
        milliseconds = connection.settings_dict["OPTIONS"].get("tcp_user_timeout")
        if milliseconds:
            # Here and not above: psycopg is an extra that SQLite and MariaDB do without.
            from smart_cron.store.deadline import give_deadline

            # The server ends a statement that takes too long; a server that is frozen cannot.
            give_deadline(raw, seconds=milliseconds / 1000 * 1.5)


def _file_of(connection: BaseDatabaseWrapper) -> tuple[int, int] | None:
    """Return which file stands where SQLite's is meant to be, or None."""
    try:
        found = os.stat(connection.settings_dict["NAME"])
    except OSError:
        return None
    return found.st_dev, found.st_ino
