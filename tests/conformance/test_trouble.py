"""Servers that go away, are too old, hold other tables, or refuse: each told in our own words."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import utils as django_errors
from tests.conformance.scene import MIGRATIONS, Scene
from tests.servers import MariaDb, PostgreSql, Server

from smart_cron.core.errors import (
    ConfigError,
    DatabaseConflictError,
    DatabaseError,
    DatabaseUnavailableError,
    SchemaError,
    SmartCronError,
)
from smart_cron.store import schema
from smart_cron.store.address import database_settings
from smart_cron.store.dialects import DIALECTS
from smart_cron.store.fairness import HELD_SECONDS, PAUSE_SECONDS, Fairness
from smart_cron.store.gateway import Store, open_store
from smart_cron.store.setup import derive

KILL = {
    "mysql": "SELECT CONCAT('KILL ', id, ';') FROM information_schema.processlist "
    "WHERE db = 'smart_cron' AND id <> CONNECTION_ID()",
    "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'smart_cron'",
}


def kill_connections(server: Server, store: Store) -> None:
    """End every connection to the database on the server's side."""
    told = server.run_sql(KILL[store.session.dialect.name])
    if store.session.dialect.name == "mysql":
        server.run_sql(told)


def test_a_server_is_named_with_its_version(store: Store) -> None:
    names = {"sqlite": "SQLite 3.", "mysql": "MariaDB 1", "postgresql": "PostgreSQL 1"}

    assert store.session.server().startswith(names[store.session.dialect.name])


def test_a_connection_ended_by_the_server_is_told_and_the_next_call_has_another(
    server_scene: Scene, server: Server
) -> None:
    server_scene.add()
    kill_connections(server, server_scene.store)

    with pytest.raises(DatabaseUnavailableError):
        server_scene.store.tasks.list()
    assert len(server_scene.store.tasks.list()) == 1


def test_a_transaction_cut_by_the_server_leaves_nothing(server_scene: Scene, server: Server) -> None:
    store = server_scene.store

    def cut() -> None:
        with store.database.transaction():
            server_scene.add()
            kill_connections(server, store)
            server_scene.add("second")

    with pytest.raises(DatabaseUnavailableError):
        cut()
    assert store.tasks.list() == []
    with store.database.transaction():
        server_scene.add()
    assert len(store.tasks.list()) == 1


def test_an_error_in_a_transaction_undoes_all_of_it(scene: Scene) -> None:
    def fail() -> None:
        with scene.store.database.transaction():
            scene.add()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert scene.store.tasks.list() == []
    assert scene.count("smart_cron_audit_log") == 0


def test_a_transaction_within_another_is_part_of_it(scene: Scene) -> None:
    def fail() -> None:
        with scene.store.database.transaction():
            with scene.store.database.transaction():
                scene.add()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert scene.store.tasks.list() == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", [MariaDb, PostgreSql])
def test_a_frozen_server_is_given_up_on_and_found_again(kind: type[Server]) -> None:
    with kind() as server:
        store = open_store(server.create_database("smart_cron"), alias=f"frozen_{kind.package}", timeout_seconds=1)
        store.database.now()
        server.freeze()
        try:
            with pytest.raises(DatabaseUnavailableError):
                store.database.now()
        finally:
            server.thaw()
        store.database.now()
        server.stop()
        with pytest.raises(DatabaseUnavailableError):
            store.database.now()
        server.start()
        store.database.now()
        store.database.close()


def test_a_lock_that_is_waited_for_too_long_is_a_conflict(sqlite_url: str) -> None:
    store = open_store(sqlite_url, alias="impatient", timeout_seconds=0.05)
    store.database.migrate()
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite://"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(DatabaseConflictError), store.database.transaction():
        pass
    other.close()
    with store.database.transaction():
        pass
    store.database.close()


def test_an_unmigrated_database_says_what_to_do(sqlite_url: str) -> None:
    store = open_store(sqlite_url, alias="unmigrated")

    with pytest.raises(SchemaError, match="smart-cron db migrate"):
        store.database.check()
    with pytest.raises(SchemaError, match="smart-cron db migrate"):
        store.tasks.list()
    assert store.database.migrate() == MIGRATIONS
    assert store.database.migrate() == []
    store.database.check()
    store.database.close()


def test_a_database_newer_than_the_code_is_named(store: Store) -> None:
    store.session.execute(
        "INSERT INTO django_migrations (app, name, applied) VALUES ('smart_cron', '9999_future', CURRENT_TIMESTAMP)"
    )
    try:
        with pytest.raises(SchemaError, match="9999_future"):
            store.database.check()
        with pytest.raises(SchemaError, match="newer version of Smart Cron"):
            store.database.migrate()
    finally:
        store.session.execute("DELETE FROM django_migrations WHERE name = '9999_future'")


def test_a_table_of_another_program_is_named_and_left_alone(sqlite_url: str) -> None:
    store = open_store(sqlite_url, alias="taken")
    store.session.execute("CREATE TABLE smart_cron_alerts (mine integer)")
    store.session.execute("CREATE TABLE other (mine integer)")

    with pytest.raises(SchemaError, match="smart_cron_alerts"):
        store.database.migrate()
    assert store.session.rows("SELECT mine FROM smart_cron_alerts") == []
    store.database.close()


@pytest.mark.parametrize(
    ("dialect", "version", "problem"),
    [
        ("mysql", "10.5.29-MariaDB-log", "MariaDB 10.5.29-MariaDB-log, and MariaDB 10.6 or newer"),
        ("mysql", "5.5.5-10.11.6-MariaDB", None),
        ("mysql", "11.4.2-MariaDB", None),
        ("mysql", "5.7.44", "MySQL 5.7.44, and MySQL 8.0 or newer"),
        ("mysql", "8.0.36", None),
        ("postgresql", "13.15 (Debian 13.15-1)", "PostgreSQL 13.15"),
        ("postgresql", "14.1", None),
        ("sqlite", "3.34.1", "SQLite 3.34.1, and SQLite 3.35 or newer"),
        ("sqlite", "3.40.1", None),
    ],
)
def test_a_server_too_old_is_refused_with_its_version_and_the_one_needed(
    dialect: str, version: str, problem: str | None
) -> None:
    told = DIALECTS[dialect].version_problem(version)

    assert told is None if problem is None else problem in str(told)


@pytest.mark.parametrize("database", ["sqlite", "mariadb", "postgresql"])
def test_the_check_passes_on_what_we_made(store: Store) -> None:
    store.database.check()


def test_a_missing_database_is_told_without_its_password(server_store: Store) -> None:
    settings = server_store.session.connection.settings_dict
    scheme, option = ("mariadb", "unix_socket") if settings["HOST"].endswith("/s") else ("postgresql", "host")
    url = f"{scheme}://nobody:s3cr%40t@/absent?{option}={settings['HOST']}"
    store = open_store(url, alias="absent", timeout_seconds=2)

    with pytest.raises(SmartCronError) as caught:
        store.database.now()
    assert "s3cr" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert isinstance(caught.value, DatabaseUnavailableError)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:relative.db",
        "sqlite://relative.db",
        "sqlite:///",
        "oracle://u:s3cret@h/d",
        "mysql://u:s3cret@h",
        "mysql://u:s3cret@h:port/d",
        "postgresql://u:s3cret@h/d?sslmod=require",
        "",
        "nonsense",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        database_settings(url, timeout_seconds=1)
    assert "s3cret" not in str(caught.value)


def test_a_url_is_taken_apart_and_decoded() -> None:
    found = database_settings("mysql://a%40b:p%2Fw%3A@db.example:3307/my%20db", timeout_seconds=30)

    assert (found["USER"], found["PASSWORD"], found["HOST"]) == ("a@b", "p/w:", "db.example")
    assert (found["PORT"], found["NAME"]) == ("3307", "my db")
    assert database_settings("sqlite:///a%20b.db", timeout_seconds=1)["NAME"] == "/a b.db"


def test_a_sqlite_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("this is no database at all, just text that goes on for a while" * 20)
    store = open_store(f"sqlite://{tmp_path}/note.txt", alias="text")

    with pytest.raises(DatabaseUnavailableError):
        store.database.now()
    store.database.close()


def test_commits_reach_the_disk_on_sqlite(sqlite_url: str) -> None:
    store = open_store(sqlite_url, alias="durable")

    assert store.session.row("PRAGMA synchronous") == (2,)
    assert store.session.row("PRAGMA journal_mode") == ("wal",)
    store.database.close()


def test_servers_read_what_is_committed_and_speak_utc(server_store: Store) -> None:
    asked = {
        "mysql": "SELECT @@tx_isolation, @@session.time_zone",
        "postgresql": "SELECT current_setting('transaction_isolation'), current_setting('TimeZone')",
    }
    found = server_store.session.row(asked[server_store.session.dialect.name])

    assert found in {("READ-COMMITTED", "+00:00"), ("read committed", "UTC")}


def test_whoever_held_the_lock_for_long_makes_a_pause() -> None:
    now, slept = [0.0], list[float]()
    fairness = Fairness(lambda: now[0], slept.append)
    for _ in range(30):
        fairness.before()
        now[0] += HELD_SECONDS / 10
        fairness.after()

    assert slept == [PAUSE_SECONDS] * 2
    now[0] += 1
    fairness.before()
    assert len(slept) == 2


def test_sqlite_refuses_instants_that_could_not_be_read_back(scene: Scene, database: str) -> None:
    if database != "sqlite":
        return
    scene.add()
    for junk in ("tomorrow", "2026-13-45 00:00:00", "2026-03-01T00:00:00", "2026-03-01 00:00:00+02:00"):
        with pytest.raises(SmartCronError):
            scene.sql("UPDATE smart_cron_tasks_config SET next_run_at = %s", [junk])
    scene.sql("UPDATE smart_cron_tasks_config SET next_run_at = datetime('now')")
    assert scene.task().next_run_at is not None


def test_postgresql_refuses_instants_beyond_the_calendar(scene: Scene, database: str) -> None:
    if database != "postgresql":
        return
    scene.add()
    for junk in ("infinity", "-infinity", "30000-01-01"):
        with pytest.raises(SmartCronError):
            scene.sql("UPDATE smart_cron_tasks_config SET next_run_at = %s", [junk])


def test_a_byte_that_is_no_text_makes_no_other_row_unreadable(sqlite_url: str) -> None:
    store = open_store(sqlite_url, alias="bytes")
    store.database.migrate()
    scene = Scene(store)
    scene.add("good")
    scene.add("bad")
    scene.sql("UPDATE smart_cron_tasks_config SET task_description = CAST(x'ff41' AS TEXT) WHERE task_name = 'bad'")

    assert [task.definition.description for task in store.tasks.list()] == ["\ufffdA", ""]
    store.database.close()


def test_text_that_is_none_is_refused_in_words(scene: Scene) -> None:
    with pytest.raises(SmartCronError):
        scene.add(script="/bin/\udcff")


def test_the_migrations_say_what_the_models_say(store: Store) -> None:
    # Django looks at every database that this process knows; the default one may be that of a test before.
    derive("default", source=store.session.alias)
    call_command("makemigrations", "smart_cron", check=True, dry_run=True, verbosity=0)


def test_a_server_that_goes_while_its_tables_are_looked_at_is_told_in_our_words(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: object) -> list[str]:
        raise django_errors.OperationalError("consuming input failed: server closed the connection unexpectedly")

    monkeypatch.setattr(schema, "_tables", gone)

    with pytest.raises(DatabaseError, match="server closed the connection"):
        store.database.check()
