"""The databases measured: SQLite in the home, private MariaDB and PostgreSQL servers; and a plain connection to each.

The benchmarks speak SQL of their own, by the drivers alone, so that what they ask costs the product nothing.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pymysql
from tests.servers import MariaDb, PostgreSql, Server

from benchmarks.processes import tree_cpu_seconds

NAMES = ("sqlite", "mariadb", "postgresql")
# A million tasks fit: what is measured is the product, not a server that was given too little memory.
MARIADB_OPTIONS = ("--innodb-buffer-pool-size=768M",)


class Connection:
    """A connection that commits each statement. Parameters are written `%s` whatever the driver wants."""

    def __init__(self, raw: Any, *, vendor: str) -> None:
        self._raw, self.vendor = raw, vendor

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows, or nothing."""
        cursor = self._raw.cursor()
        cursor.execute(self._spelled(sql), tuple(parameters))
        rows = [] if cursor.description is None else list(cursor.fetchall())
        cursor.close()
        return rows

    def execute_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run one statement for each of *rows*, in one transaction."""
        cursor = self._raw.cursor()
        cursor.execute("BEGIN")
        cursor.executemany(self._spelled(sql), [tuple(row) for row in rows])
        cursor.execute("COMMIT")
        cursor.close()

    def counted(self, sql: str, rows: Iterable[Sequence[object]]) -> list[int]:
        """Run one statement for each of *rows*, in one transaction; return how many rows each has changed."""
        cursor = self._raw.cursor()
        cursor.execute("BEGIN IMMEDIATE" if self.vendor == "sqlite" else "BEGIN")
        try:
            counts = []
            for row in rows:
                cursor.execute(self._spelled(sql), tuple(row))
                counts.append(int(cursor.rowcount))
        except BaseException:
            with suppress(Exception):
                cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")
        cursor.close()
        return counts

    def number(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Return the one number that a query gives."""
        return int(self.execute(sql, parameters)[0][0])

    def _spelled(self, sql: str) -> str:
        return sql.replace("%s", "?") if self.vendor == "sqlite" else sql

    def close(self) -> None:
        self._raw.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One fresh, empty database. *connect* opens a plain connection to it; `url` is None for the home's own SQLite."""

    name: str
    url: str | None
    connect: Callable[[Path], Connection]
    server_pid: int | None = None

    def server_cpu_seconds(self) -> float | None:
        """Return the server's CPU time so far; None where there is none."""
        return None if self.server_pid is None else tree_cpu_seconds(self.server_pid)


class Databases:
    """Hands out fresh databases; servers start when first asked for and end with this."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._servers: dict[str, Server] = {}
        self._numbers = itertools.count(1)

    def fresh(self, name: str) -> Database:
        """Return a new, empty database of this kind."""
        if name == "sqlite":
            return Database(name=name, url=None, connect=_connect_sqlite)
        server = self.server(name)
        schema = f"bench_{next(self._numbers)}"
        connect = _mariadb_connector if isinstance(server, MariaDb) else _postgresql_connector
        assert server.process is not None
        return Database(
            name=name,
            url=server.create_database(schema),
            connect=connect(server, schema),
            server_pid=server.process.pid,
        )

    def server(self, name: str) -> Server:
        """Return the server of this kind, started where it does not run yet."""
        if name not in self._servers:
            server = MariaDb(*MARIADB_OPTIONS) if name == "mariadb" else PostgreSql()
            self._servers[name] = self._stack.enter_context(server)
        return self._servers[name]

    def adopt(self, name: str, server: Server) -> None:
        """Let this be the server of this kind; whoever made it ends it."""
        self._servers[name] = server

    def close(self) -> None:
        """End the servers."""
        self._stack.close()


@contextmanager
def open_databases() -> Iterator[Databases]:
    databases = Databases()
    try:
        yield databases
    finally:
        databases.close()


def _connect_sqlite(state_dir: Path) -> Connection:
    raw = sqlite3.connect(state_dir / "smart-cron.db", isolation_level=None, timeout=30)
    return Connection(raw, vendor="sqlite")


def _mariadb_connector(server: Server, schema: str) -> Callable[[Path], Connection]:
    def connect(_: Path) -> Connection:
        raw = pymysql.connect(
            unix_socket=str(server.folder / "s"),
            user="root",
            database=schema,
            autocommit=True,
            charset="utf8mb4",
            init_command="SET time_zone = '+00:00', max_recursive_iterations = 10000000",
        )
        return Connection(raw, vendor="mariadb")

    return connect


def _postgresql_connector(server: Server, schema: str) -> Callable[[Path], Connection]:
    def connect(_: Path) -> Connection:
        raw = psycopg.connect(
            host=str(server.folder), user="postgres", dbname=schema, autocommit=True, options="-c timezone=UTC"
        )
        return Connection(raw, vendor="postgresql")

    return connect


def instant(value: object) -> datetime:
    """Return a column's instant as an aware one, whatever the driver made of it."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    assert isinstance(moment, datetime)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def written(moment: datetime) -> str:
    """Return *moment* as all three databases read it in a session of UTC, and as SQLite's text is ordered."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
