"""A scratch place on MariaDB and MySQL: a schema of its own, from which tables go over by one RENAME."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from smart_cron.core.backup import ACCOUNTS, TABLES, RefusedBackupError, TableSum, UnverifiableError
from smart_cron.core.errors import DatabaseError, DatabaseUnavailableError, SmartCronError
from smart_cron.core.ports.backups import LineSource
from smart_cron.store import derived, setup
from smart_cron.store.backups import dump_mysql, reading_mysql
from smart_cron.store.backups.accounts import exchange_accounts
from smart_cron.store.backups.events import Counter, Rows, Sums, summed
from smart_cron.store.backups.exchange import make_fit, note
from smart_cron.store.backups.scratch import ALIAS, Place
from smart_cron.store.faults import told_in_ours
from smart_cron.store.grants import SCRATCH
from smart_cron.store.session import Session

_OLD = "old_"
_EXCHANGE = "smart_cron_exchange"
_COMMIT_BYTES = 16_000_000
# Less than the driver waits for an answer.
_LOCK_SECONDS = 5
_NEXT = re.compile(r" AUTO_INCREMENT=([0-9]+)")


def quoted(name: str) -> str:
    """Return the name of a database as a statement of a session has it, whatever it is made of."""
    return _in_backticks(name).replace("%", "%%")


def _in_backticks(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


@contextmanager
def scratch(live: Session, *, folder: Path, stall_seconds: float) -> Iterator[MySqlPlace]:
    """Open an empty place."""
    del folder  # Nothing has to lie on disk.
    name = f"{SCRATCH}_{live.connection.settings_dict['NAME']}"[:64]
    lock = f"smart_cron scratch {name}"[:64]
    if (live.row("SELECT GET_LOCK(%s, 0)", [lock]) or (0,))[0] != 1:
        raise UnverifiableError("another backup is being restored for a trial on this server.", remedy="Try later.")
    try:
        _make(live, name)
        place = MySqlPlace(live, name, stall_seconds)
        try:
            yield place
        finally:
            place.close()
            live.execute(f"DROP DATABASE IF EXISTS {quoted(name)}")
    finally:
        live.row("SELECT RELEASE_LOCK(%s)", [lock])


def _make(live: Session, name: str) -> None:
    found = live.rows("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s", [name])
    ours = {*TABLES, *ACCOUNTS, *(f"{_OLD}{table}" for table in TABLES), "django_migrations"}
    others = sorted({row[0] for row in found} - ours)
    if others:
        raise UnverifiableError(
            f"the database {name} holds {others[0]}, which is not ours.", remedy="Give that database another name."
        )
    try:
        live.execute(f"DROP DATABASE IF EXISTS {quoted(name)}")
        live.execute(f"CREATE DATABASE {quoted(name)} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    except DatabaseUnavailableError as error:
        if "denied" not in error.message:
            raise
        raise _not_allowed(live, name, error) from None
    except DatabaseError as error:
        raise _not_allowed(live, name, error) from None


def _not_allowed(live: Session, name: str, error: SmartCronError) -> UnverifiableError:
    user, _, host = str((live.row("SELECT CURRENT_USER()") or ("",))[0]).rpartition("@")
    pattern = _in_backticks(name).replace("_", "\\_").replace("%", "\\%")
    return UnverifiableError(
        f"this account may not make the database {name} to restore it into ({error.message})",
        remedy=f"Let it: GRANT ALL PRIVILEGES ON {pattern}.* TO '{user}'@'{host}';",
    )


class MySqlPlace(Place):
    """See `Place`."""

    def __init__(self, live: Session, name: str, stall_seconds: float) -> None:
        super().__init__(live, reading_mysql.read)
        self._name, self._stall_seconds = name, stall_seconds
        self._here = quoted(str(live.connection.settings_dict["NAME"]))
        options = {**live.connection.settings_dict["OPTIONS"], "read_timeout": max(60.0, stall_seconds)}
        setup.derive(ALIAS, source=live.alias, NAME=name, OPTIONS=options)
        self._session = Session(ALIAS)
        self._uncommitted = 0

    @property
    def session(self) -> Session:
        return self._session

    def close(self) -> None:
        self._session.close()

    def make_like_live(self, table: str) -> None:
        self._session.execute(f"CREATE TABLE `{table}` LIKE {self._here}.`{table}`")

    def columns_of(self, table: str) -> dict[str, bool]:
        rows = self._session.rows(
            """SELECT COLUMN_NAME, EXTRA LIKE '%%GENERATED%%' AND EXTRA NOT LIKE '%%DEFAULT_GENERATED%%'
             FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION""",
            [self._name, table],
        )
        return {name: bool(is_computed) for name, is_computed in rows}

    def dumped_columns(self, table: str) -> tuple[str, ...]:
        # MariaDB's tool writes computed columns, too.
        return tuple(self._known(table))

    def before_rows(self) -> None:
        self._session.execute("SET SESSION unique_checks = 0, foreign_key_checks = 0")
        self._session.execute("SET SESSION autocommit = 0")

    def after_rows(self) -> None:
        self._session.execute("COMMIT")
        self._session.execute("SET SESSION unique_checks = 1, foreign_key_checks = 1, autocommit = 1")

    def put(self, rows: Rows) -> None:
        # A value for a computed column, which MariaDB's tool writes, is an error in the strict mode. What the lax one
        # may have bent shows in the sums.
        mode = "NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES" if rows.named else "NO_AUTO_VALUE_ON_ZERO"
        self._session.execute(f"SET SESSION sql_mode = '{mode}'")
        columns = ", ".join(f"`{name}`" for name in rows.columns)
        data = b",".join(rows.rows)
        connection = self._session.connection
        raw: Any = connection.connection
        with told_in_ours(""), connection.wrap_database_errors:
            raw.query(f"INSERT INTO `{rows.table}` ({columns}) VALUES ".encode() + data)
        self._uncommitted += len(data)
        if self._uncommitted > _COMMIT_BYTES:
            self._session.execute("COMMIT")
            self._uncommitted = 0

    def count_on(self, counter: Counter) -> None:
        self._session.execute("COMMIT")
        self._session.execute(f"ALTER TABLE `{counter.table}` AUTO_INCREMENT = {counter.number}")

    def sums(self, tables: Sequence[str]) -> dict[str, TableSum]:
        sums = Sums()
        with _piped(self._dump(tables)) as source:
            for _ in summed(reading_mysql.read(source), sums):
                pass
        return sums.tables()

    def _dump(self, tables: Sequence[str]) -> Any:
        session, seconds = self._live, self._stall_seconds

        def dump(write: Any) -> None:
            words = [*tables, "--skip-triggers"]
            dump_mysql.run_tool(session, words, write, stall_seconds=seconds, database=self._name)

        return dump

    def _read_only(self, *, on: bool) -> None:
        self._session.execute(f"SET SESSION TRANSACTION READ {'ONLY' if on else 'WRITE'}")

    def take_place(
        self, tables: Sequence[str], *, actor: str, name: str, accounts: Sequence[str] | None = None
    ) -> list[str]:
        """Rename all tables in one statement, which the server does as a whole or not at all.

        Accounts are exchanged as rows by another connection, which commits once that is done: of all that can fail
        only the server's own end is left then, and leaves the accounts that were there.
        """
        here = f"{self._here}."
        make_fit(self._live, f"{quoted(self._name)}.", here, tables)
        for table in tables:
            self._count_on_from_live(table)
        self._session.close()
        # A table with triggers cannot change its schema; views find the new tables by their names.
        derived.drop(self._live)
        # A RENAME that waits for a long transaction must not come about when nobody waits for it any more.
        self._live.execute(f"SET SESSION lock_wait_timeout = {_LOCK_SECONDS}")
        try:
            with nullcontext() if accounts is None else self._accounts_exchanged(here):
                self._live.again(lambda: self._rename(tables, here))
        finally:
            left_out = derived.create(self._live)
        with self._live.transaction():
            note(self._live, tables, actor=actor, name=name, accounts=accounts)
        return left_out

    @contextmanager
    def _accounts_exchanged(self, here: str) -> Iterator[None]:
        setup.derive(_EXCHANGE, source=self._live.alias)
        session = Session(_EXCHANGE)
        try:
            with session.transaction():
                exchange_accounts(session, f"{quoted(self._name)}.", here)
                yield
        finally:
            session.close()

    def _rename(self, tables: Sequence[str], here: str) -> None:
        self._live.execute(f"RENAME TABLE {', '.join(self._renamed(table, here) for table in tables)}")

    def _renamed(self, table: str, here: str) -> str:
        there = f"{quoted(self._name)}."
        return f"{here}`{table}` TO {there}`{_OLD}{table}`, {there}`{table}` TO {here}`{table}`"

    def _count_on_from_live(self, table: str) -> None:
        """A number that was given out once is not given to another row."""
        found = self._live.row(f"SHOW CREATE TABLE `{table}`")
        number = _NEXT.search(str(found[1])) if found else None
        if number:
            self._session.execute(f"ALTER TABLE `{table}` AUTO_INCREMENT = {number[1]}")


@contextmanager
def _piped(work: Any) -> Iterator[LineSource]:
    """Let a thread write into a pipe; yield its other end."""
    reading, writing = os.pipe()
    faults: list[Exception] = []

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            try:
                work(file.write)
            except Exception as error:  # noqa: BLE001  raised again where the pipe is read
                faults.append(error)

    thread = threading.Thread(target=write, name="dump", daemon=True)
    with os.fdopen(reading, "rb") as source:
        thread.start()
        try:
            yield source
        except RefusedBackupError:
            if not faults:
                raise
        finally:
            source.close()
            thread.join()
    if faults:
        raise faults[0]
