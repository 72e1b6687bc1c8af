"""The tables come to be once, whoever else makes them, and what stands in their way is named with its remedy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import warm
from tests.conformance.scene import MIGRATIONS
from tests.servers import Server

from smart_cron.core.errors import DatabaseConflictError, SchemaError
from smart_cron.store import derived, migration_lock, schema
from smart_cron.store.gateway import Store, open_store

SRC = Path(__file__).parents[2] / "src"
MIGRATE = """
import sys
from smart_cron.store.gateway import open_store
store = open_store(sys.argv[1], timeout_seconds=30)
sys.stdin.read(1)
print(store.database.migrate())
store.database.check()
"""


@pytest.fixture
def empty_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table, on each server and on SQLite."""
    if database == "sqlite":
        yield f"sqlite://{tmp_path / 'empty.db'}"
        return
    server: Server = request.getfixturevalue(database)
    server.drop_database("empty_one")
    yield server.create_database("empty_one")


@pytest.fixture
def empty_store(empty_url: str) -> Iterator[Store]:
    store = open_store(empty_url, alias="empty", timeout_seconds=10)
    yield store
    store.database.close()


@pytest.mark.slow
def test_of_processes_that_migrate_at_once_one_does_and_the_others_find_it_done(empty_url: str) -> None:
    migrators = [
        warm.Fork(
            [sys.executable, "-c", MIGRATE, empty_url],
            env={**os.environ, "PYTHONPATH": str(SRC)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]

    for migrator in migrators:
        assert migrator.stdin is not None
        migrator.stdin.write("x")
        migrator.stdin.flush()
    said = [migrator.communicate(timeout=120) for migrator in migrators]

    assert sorted(out for out, _ in said) == [f"{MIGRATIONS}\n", "[]\n", "[]\n"], said


@pytest.mark.slow
def test_empty_tables_of_a_first_migration_cut_short_are_told_with_what_removes_them(
    empty_store: Store,
) -> None:
    empty_store.database.migrate()
    # Views come after the last migration: one that is cut short has made none yet.
    derived.drop(empty_store.session)
    empty_store.session.execute("DROP TABLE smart_cron_alerts")
    empty_store.session.execute("DELETE FROM django_migrations WHERE app = 'smart_cron'")

    with pytest.raises(SchemaError, match="DROP TABLE") as told:
        empty_store.database.migrate()

    for statement in told.value.remedy.split("'")[1].removesuffix(";").split(";"):
        empty_store.session.execute(statement)
    assert empty_store.database.migrate() == MIGRATIONS


@pytest.mark.slow
def test_tables_of_ours_that_hold_rows_are_never_to_be_dropped(empty_store: Store) -> None:
    empty_store.database.migrate()
    empty_store.session.execute(
        "INSERT INTO smart_cron_tasks_config (task_name, schedule_pattern) VALUES ('kept', '* * * * *')"
    )
    empty_store.session.execute("DELETE FROM django_migrations WHERE app = 'smart_cron'")

    with pytest.raises(SchemaError, match="smart_cron_tasks_config hold rows") as told:
        empty_store.database.migrate()

    assert "DROP" not in str(told.value)


def test_a_foreign_table_among_ours_is_the_one_that_is_named(empty_store: Store) -> None:
    empty_store.session.execute("CREATE TABLE smart_cron_alerts (mine integer)")

    with pytest.raises(SchemaError, match="tables of another program with names of ours: smart_cron_alerts"):
        empty_store.database.migrate()


@pytest.mark.slow
def test_a_migration_that_is_cut_short_behind_each_of_its_statements_goes_on_there(mariadb: Server) -> None:
    """On MariaDB, which takes back none of them; elsewhere a migration is one transaction."""
    for name in ("in_one_go", "in_steps"):
        mariadb.drop_database(name)
    whole, cut = (
        open_store(mariadb.create_database(name), alias=name, timeout_seconds=10) for name in ("in_one_go", "in_steps")
    )
    whole.database.migrate()
    schema.make_tables(cut.session, MIGRATIONS[:1])

    tries = 0
    with cut.session.connection.execute_wrapper(_KilledBehindAStatement()):
        while _is_killed(cut):
            tries += 1

    assert tries > len(MIGRATIONS)
    cut.database.check()
    for table in schema.tables_of_ours(whole.session):
        assert _shown(cut, table) == _shown(whole, table)
    for store in (whole, cut):
        store.database.close()


class _Killed(BaseException):
    """As little can be done about it as about a SIGKILL: the server has done the statement, and nobody goes on."""


class _KilledBehindAStatement:
    """Lets one statement that makes something of a table through, then ends whoever called."""

    def __call__(self, execute: Any, sql: str, *rest: Any) -> Any:
        done = execute(sql, *rest)
        if sql.startswith(("CREATE TABLE", "ALTER TABLE", "CREATE INDEX")):
            raise _Killed
        return done


def _is_killed(store: Store) -> bool:
    try:
        store.database.migrate()
    except _Killed:
        return True
    return False


def _shown(store: Store, table: str) -> str:
    row = store.session.row(f"SHOW CREATE TABLE {table}")
    assert row is not None
    return str(row[1])


@pytest.mark.slow
def test_a_migration_that_another_process_never_ends_is_given_up_on(
    mariadb: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On MariaDB, where the wait is ours; elsewhere it ends with whoever holds the lock."""
    monkeypatch.setattr(migration_lock, "PATIENCE_SECONDS", 1)
    mariadb.drop_database("held")
    url = mariadb.create_database("held")
    holder, waiter = (open_store(url, alias=alias, timeout_seconds=10) for alias in ("holder", "waiter"))

    with migration_lock.sole_migrator(holder.session), pytest.raises(DatabaseConflictError):
        waiter.database.migrate()

    assert waiter.database.migrate() == MIGRATIONS
    holder.database.close()
    waiter.database.close()
