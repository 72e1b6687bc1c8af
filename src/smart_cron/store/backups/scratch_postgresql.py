"""A scratch place on PostgreSQL: a schema of its own in the same database, so that rows go over in a transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smart_cron.core.backup import ACCOUNTS, TABLES, RefusedBackupError, TableSum, UnverifiableError
from smart_cron.core.errors import DatabaseError, DatabaseUnavailableError
from smart_cron.store import setup
from smart_cron.store.backups import dump_postgresql, reading_postgresql
from smart_cron.store.backups.events import Rows
from smart_cron.store.backups.exchange import exchange_by_rows
from smart_cron.store.backups.scratch import ALIAS, Place
from smart_cron.store.faults import told_in_ours
from smart_cron.store.session import Session

SCHEMA = "smart_cron_scratch"
# "smart_cron" and one: the lock that says that somebody works there.
_LOCK = 0x736D6373
_EXCHANGE = "smart_cron_exchange"
_PATIENCE_MILLISECONDS = 3_600_000


@contextmanager
def scratch(live: Session, *, folder: Path, stall_seconds: float) -> Iterator[PostgreSqlPlace]:
    """Open an empty place."""
    del folder, stall_seconds  # Nothing has to lie on disk, and each answer has its deadline.
    if not (live.row("SELECT pg_try_advisory_lock(%s)", [_LOCK]) or (False,))[0]:
        raise UnverifiableError("another backup is being restored for a trial in this database.", remedy="Try later.")
    try:
        _make(live)
        place = PostgreSqlPlace(live)
        try:
            yield place
        finally:
            place.close()
            live.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    finally:
        live.row("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _make(live: Session) -> None:
    found = live.rows("SELECT tablename FROM pg_tables WHERE schemaname = %s", [SCHEMA])
    others = sorted({row[0] for row in found} - {*TABLES, *ACCOUNTS, "django_migrations"})
    if others:
        raise UnverifiableError(
            f"the schema {SCHEMA} holds {others[0]}, which is not ours.", remedy="Give that schema another name."
        )
    try:
        live.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        live.execute(f"CREATE SCHEMA {SCHEMA}")
    except DatabaseUnavailableError:
        raise
    except DatabaseError as error:
        who = (live.row("SELECT current_user, current_database()") or ("", ""))[:2]
        raise UnverifiableError(
            f"this account may not make a schema to restore it into ({error.message})",
            remedy=f'Let it: GRANT CREATE ON DATABASE "{who[1]}" TO "{who[0]}";',
        ) from None


class PostgreSqlPlace(Place):
    """See `Place`."""

    def __init__(self, live: Session) -> None:
        super().__init__(live, reading_postgresql.read)
        self._session = _patient(live, ALIAS, f"-c search_path={SCHEMA}")
        self._indexes: list[str] = []

    @property
    def session(self) -> Session:
        return self._session

    def close(self) -> None:
        self._session.close()

    def make_like_live(self, table: str) -> None:
        here = str((self._live.row("SELECT current_schema()") or ("public",))[0])
        self._session.execute(f'CREATE TABLE {SCHEMA}.{table} (LIKE "{here}".{table} INCLUDING ALL)')

    def columns_of(self, table: str) -> dict[str, bool]:
        return dump_postgresql.columns_of(self._session, table)

    def before_rows(self) -> None:
        """Drop what one by one would cost more than all at once."""
        rows = self._session.rows(
            """SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %s AND indexname NOT IN
                (SELECT conname FROM pg_constraint WHERE connamespace = %s::regnamespace)""",
            [SCHEMA, SCHEMA],
        )
        for name, sql in rows:
            self._session.execute(f'DROP INDEX {SCHEMA}."{name}"')
            self._indexes.append(sql)

    def after_rows(self) -> None:
        for sql in self._indexes:
            self._session.execute(sql.replace("%", "%%"))
        self._indexes.clear()

    def put(self, rows: Rows) -> None:
        columns = ", ".join(f'"{name}"' for name in rows.columns)
        sql = f"COPY {SCHEMA}.{rows.table} ({columns}) FROM STDIN"
        self._session.row("SELECT 1")
        connection = self._session.connection
        raw: Any = connection.connection
        try:
            with told_in_ours(""), connection.wrap_database_errors, raw.cursor() as cursor, cursor.copy(sql) as copy:
                copy.write(b"\n".join(rows.rows) + b"\n")
        except DatabaseUnavailableError:
            raise
        except DatabaseError as error:
            raise RefusedBackupError(f"a row of {rows.table} does not fit: {error.message}", line=rows.line) from None

    def sums(self, tables: Sequence[str]) -> dict[str, TableSum]:
        return dump_postgresql.sums_of(self._session, tables)

    def _read_only(self, *, on: bool) -> None:
        self._session.execute(f"SET default_transaction_read_only = {'on' if on else 'off'}")

    def take_place(
        self, tables: Sequence[str], *, actor: str, name: str, accounts: Sequence[str] | None = None
    ) -> list[str]:
        """Put the rows in the place of the live ones, in one transaction."""
        here = str((self._live.row("SELECT current_schema()") or ("public",))[0])
        session = _patient(self._live, _EXCHANGE, "")
        try:
            return exchange_by_rows(
                session, f"{SCHEMA}.", f'"{here}".', tables, actor=actor, name=name, accounts=accounts
            )
        finally:
            session.close()


def _patient(live: Session, alias: str, options: str) -> Session:
    """Return a session that has all the time that indexes and many rows take."""
    entry = dict(live.connection.settings_dict["OPTIONS"])
    entry["options"] = f"{entry['options']} -c statement_timeout=0 {options}"
    entry["tcp_user_timeout"] = _PATIENCE_MILLISECONDS
    setup.derive(alias, source=live.alias, OPTIONS=entry)
    return Session(alias)
