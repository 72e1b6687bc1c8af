"""Where a chaos run takes place: a folder, a database that can be harmed, nodes, the worker and its records."""

from __future__ import annotations

import atexit
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pymysql
from tests.fault.proxy import Proxy

from benchmarks.chaos_harm import Harm, ServerHarm, SqliteHarm, proxied, schema_of, socket_of
from benchmarks.chaos_ledger import read_ledger
from benchmarks.chaos_nodes import MASTER, Node
from benchmarks.chaos_tasks import TaskPlan, insert_tasks
from benchmarks.databases import Connection, Database, Databases
from benchmarks.programs import SOURCES

DRIVER_ERRORS = (sqlite3.Error, pymysql.MySQLError, psycopg.Error, OSError)
# A stopped master may sit on a lock, and whoever lets it go on must not wait for that.
IMPATIENT = {
    "sqlite": "PRAGMA busy_timeout = 200",
    "mariadb": "SET SESSION innodb_lock_wait_timeout = 1",
    "postgresql": "SET lock_timeout = '500ms'",
}
SETTINGS = {
    "SMART_CRON_MAX_CONCURRENT": "20",
    "SMART_CRON_DATABASE__TIMEOUT_SECONDS": "2",
    "SMART_CRON_HEARTBEAT_SECONDS": "1",
    "SMART_CRON_NODE_SILENCE_SECONDS": "5",
}


class Ground:
    """A fresh place. `close` removes it unless it is to be looked at."""

    def __init__(
        self,
        databases: Databases,
        *,
        database: str,
        masters: int = 1,
        command: Sequence[str] = MASTER,
        settings: Mapping[str, str] | None = None,
        parent: Path | None = None,
        like: Path | None = None,
        database_folder: Path | None = None,
    ) -> None:
        """*like* is the folder of another one, on SQLite and not used yet, to be copied instead of made anew.

        *database_folder* takes the place of `folder` for SQLite's file, which then is not copied.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=parent))
        self.folder.chmod(0o755)
        self.records = self.folder / "records"
        self.records.mkdir()
        self.made_at = datetime.now(UTC)
        self._database: Database = databases.fresh(database)
        self._connection: Connection | None = None
        self.worker = self._own_worker()
        self._exit = ExitStack()
        self._database_folder = database_folder or self.folder
        self._direct_url = url = self._database.url or f"sqlite:///{self._database_folder / 'smart-cron.db'}"
        self.harm: Harm = SqliteHarm(lambda: self._database.connect(self._database_folder))
        urls = [url] * masters
        if self._database.url is not None:
            server = databases.server(database)
            self.proxies = [self._exit.enter_context(Proxy(socket_of(server))) for _ in urls]
            self.harm = ServerHarm(server, self.proxies, schema_of(self._database.url))
            urls = [proxied(server, self._database.url, proxy.port) for proxy in self.proxies]
        given = {**SETTINGS, **(settings or {})}
        self.nodes = [
            Node(
                self.folder / name,
                name=name,
                settings={**given, "SMART_CRON_DATABASE__URL": own_url},
                command=command,
            )
            for name, own_url in ((f"node{number}", own_url) for number, own_url in enumerate(urls, start=1))
        ]
        for node in self.nodes:
            self._found(node, like)

    def _found(self, node: Node, like: Path | None) -> None:
        if like is not None:
            shutil.copytree(like / node.name, node.folder)
            shutil.copy(like / "smart-cron.db", self.folder / "smart-cron.db")
            return
        node.folder.mkdir(mode=0o750)
        node.call("init")

    def _own_worker(self) -> Path:
        return Path(shutil.copy(_compiled_worker(), self.folder / "worker"))

    def insert(self, tasks: Sequence[TaskPlan]) -> None:
        """Write the tasks; they are the only ones."""
        self.connection.execute("DELETE FROM smart_cron_tasks_config WHERE origin = 'builtin'")
        insert_tasks(self.connection, tasks, worker=self.worker, records=self.records)

    def read_ledger(self) -> list[dict[str, Any]]:
        return read_ledger(self.nodes[0], database_url=self._direct_url)

    # The database

    @property
    def connection(self) -> Connection:
        """A plain connection of our own, past every proxy; opened anew where it was lost."""
        if self._connection is None:
            self._connection = self.another_connection()
        return self._connection

    def another_connection(self) -> Connection:
        """Return a plain connection that waits for no lock for long."""
        connection = self._database.connect(self._database_folder)
        connection.execute(IMPATIENT[self._database.name])
        return connection

    @contextmanager
    def database_errors(self) -> Iterator[None]:
        """Pass over the errors that the faults make: what was asked for is then simply not done."""
        try:
            yield
        except DRIVER_ERRORS:
            self._drop_connection()

    def _drop_connection(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None

    def close(self, *, keep: bool = False) -> None:
        """End what still runs; remove the folder unless it is to be kept."""
        for node in self.nodes:
            node.stop()
        self._drop_connection()
        self._exit.close()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


@cache
def _compiled_worker() -> Path:
    """Return the program of all grounds; it is there as long as this process."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-worker-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    program = folder / "worker"
    subprocess.run(["cc", "-O2", "-o", str(program), str(SOURCES / "worker.c")], check=True)
    program.chmod(0o755)
    return program
