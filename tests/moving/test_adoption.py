"""The original PHP system's tables are taken over, every row of them, and nothing starts that it had planned."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from tests import warm
from tests.moving import php_system
from tests.process.cli import Console
from tests.servers import Server

from smart_cron.core.adoption import Adoption
from smart_cron.core.errors import SchemaError
from smart_cron.store.gateway import Store

pytestmark = pytest.mark.slow

Opened = Callable[[str], Store]


@pytest.fixture
def php(mariadb: Server) -> str:
    php_system.install(mariadb, "php")
    return mariadb.url("php")


def adopted(store: Store, **changes: object) -> list[str]:
    said: list[str] = []
    options: dict[str, object] = {"backup": None, "without_backup": True, "say": said.append, **changes}
    store.session.migrate(Adoption(**options))  # type: ignore[arg-type]
    return said


def test_every_row_is_kept_and_says_how_it_ended(php: str, opened: Opened) -> None:
    store = opened(php)
    said = adopted(store)
    store.database.check()

    counts = dict(store.session.rows("SELECT status, COUNT(*) FROM smart_cron_executions GROUP BY status"))
    assert counts == _counted()
    assert f"took over {php_system.RUNS} rows of smart_cron_executions" in said
    assert store.session.row("SELECT COUNT(*) FROM smart_cron_executions_php") == (php_system.RUNS,)


def _counted() -> dict[str, int]:
    found: dict[str, int] = {"lost": 1}
    for number in range(1, php_system.RUNS):
        code, success = php_system.ENDS[number % 10]
        status = "success" if success else "timeout" if code == 124 else "failed"
        found[status] = found.get(status, 0) + 1
    return found


def test_local_times_become_the_instants_that_they_were(php: str, opened: Opened, mariadb: Server) -> None:
    store = opened(php)
    adopted(store)
    read = store.session.dialect.read_instant

    row = store.session.row("SELECT started_at, completed_at FROM smart_cron_executions WHERE id = 1")
    assert row is not None
    assert [read(value) for value in row] == [
        datetime(2026, 1, 4, 13, 1, tzinfo=UTC),
        datetime(2026, 1, 4, 13, 1, 3, tzinfo=UTC),
    ]
    php_system.install(mariadb, "php")
    store = opened(php)
    adopted(store, zone="Europe/Berlin")
    found = store.session.row("SELECT started_at FROM smart_cron_executions WHERE id = 1")
    assert found is not None
    assert read(found[0]) == datetime(2026, 1, 5, 1, 1, tzinfo=UTC)
    assert store.session.row("SELECT time_zone FROM smart_cron_tasks_config WHERE id = 1") == ("Europe/Berlin",)


def test_what_does_not_fit_stays_in_the_old_tables_and_is_named(php: str, opened: Opened, mariadb: Server) -> None:
    store = opened(php)
    said = "\n".join(adopted(store))

    assert "its columns owner_team stay behind" in said
    assert "1 rows of smart_cron_metrics stay in smart_cron_metrics_php alone" in said
    assert "disabled the event smart_cron_auto_cleanup" in said
    assert "smart_cron_executions 3, stdout_output: 120000 bytes, where 65535 fit" in said
    assert mariadb.run_sql("SELECT owner_team FROM smart_cron_tasks_config_php WHERE id = 1", "php") == "finance\n"
    assert store.session.row("SELECT task_description FROM smart_cron_tasks_config WHERE id = 1") == (
        "Tägliche Berichte",
    )
    assert store.session.rows("SELECT message, untold, resolved FROM smart_cron_alerts ORDER BY id") == [
        ("fällt aus", 0, 0),
        ("slow", 0, 1),
    ]
    assert store.session.row("SELECT actor FROM smart_cron_audit_log WHERE id = 1") == ("php:7",)


def test_nothing_runs_and_no_slot_of_the_time_before_starts(php: str, opened: Opened, console: Console) -> None:
    adopted(opened(php))
    store = opened(php)
    flags = store.session.rows("SELECT is_running, next_run_at IS NULL FROM smart_cron_tasks_config ORDER BY id")
    (console.home / "smart-cron.toml").write_text(f'[database]\nurl = "{php}"\n')
    (console.home / "smart-cron.toml").chmod(0o640)

    console.sure("master", "--once")

    late = "SELECT COUNT(*) FROM smart_cron_executions WHERE scheduled_for < NOW() - INTERVAL 2 MINUTE"
    assert flags == [(0, 1), (0, 1), (0, 0)]
    assert store.session.row(late) == (0,)
    assert store.session.row("SELECT COUNT(*) FROM smart_cron_skipped_slots") == (0,)
    assert store.session.row("SELECT MAX(next_run_at) > '2037-01-01' FROM smart_cron_tasks_config") == (1,)


def test_without_a_backup_nothing_is_touched(php: str, opened: Opened, mariadb: Server) -> None:
    taken: list[Sequence[str]] = []

    def back_up(tables: Sequence[str]) -> str:
        taken.append(tables)
        raise SchemaError("the disk is full.")

    with pytest.raises(SchemaError, match="to be backed up before") as told:
        adopted(opened(php), without_backup=False)
    with pytest.raises(SchemaError, match="disk is full"):
        adopted(opened(php), without_backup=False, backup=back_up)

    assert "--no-backup" in told.value.remedy
    assert "smart_cron_executions" in taken[0]
    assert "smart_cron_tasks_config_php" not in mariadb.run_sql("SHOW TABLES", "php")


def test_whoever_did_not_ask_is_told_what_stands_there(php: str, console: Console) -> None:
    (console.home / "smart-cron.toml").write_text(f'[database]\nurl = "{php}"\n')
    (console.home / "smart-cron.toml").chmod(0o640)

    for words in (["init"], ["task", "list"], ["db", "migrate", "--dry-run"]):
        done = console.call(*words)
        assert b"tables of the original PHP system, with 3 tasks" in done.stdout + done.stderr


KILLED = """
import os, signal, sys
from smart_cron.core.adoption import Adoption
from smart_cron.store.gateway import open_store
store = open_store(sys.argv[1])
from smart_cron.store import schema
from smart_cron.store.adoption import php_system, taking_over
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
places = {"php": php_system, "over": taking_over, "filling": taking_over._Filling, "ddl": BaseDatabaseSchemaEditor}
place = places[sys.argv[2]]
name, calls = sys.argv[3], int(sys.argv[4])
real = getattr(place, name)
def deadly(*args, **kwargs):
    global calls
    calls -= 1
    if calls == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)
setattr(place, name, deadly)
store.session.migrate(Adoption(backup=None, without_backup=True))
"""
POINTS = (
    ("php", "put_aside", 1),
    ("ddl", "create_model", 5),
    ("over", "_mark", 1),
    ("filling", "_row", 450),
    ("over", "_complete", 1),
)


def test_an_adoption_killed_at_each_of_its_steps_ends_whole(php: str, opened: Opened, console: Console) -> None:
    for point in POINTS:
        done = warm.run([sys.executable, "-c", KILLED, php, *map(str, point)], env=console.environment, timeout=120)
        assert done.returncode == -signal.SIGKILL, (point, done.stderr)
    store = opened(php)
    adopted(store)

    assert store.session.row("SELECT COUNT(*), MAX(id) FROM smart_cron_executions") == (
        php_system.RUNS,
        php_system.RUNS,
    )
    assert store.session.row("SELECT COUNT(*) FROM smart_cron_audit_log WHERE action = 'adopt'") == (1,)
    assert store.holds.holds() == []
    assert store.session.migrate() == []


def test_a_foreign_table_of_that_name_is_still_foreign(mariadb: Server, opened: Opened) -> None:
    mariadb.drop_database("other")
    url = mariadb.create_database("other")
    mariadb.run_sql("CREATE TABLE smart_cron_tasks_config (id INT, colour TEXT)", "other")

    with pytest.raises(SchemaError, match="tables of another program"):
        adopted(opened(url))
