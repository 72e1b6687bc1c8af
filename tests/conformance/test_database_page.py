"""docs/database.md against the databases: every column, and every statement on each database that it is given for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.conformance.scene import FAILED, MINUTE, Scene
from tests.conformance.test_views import put
from tests.docs.statements import (
    ACKNOWLEDGE,
    DOCS,
    EVERYWHERE,
    FAILING,
    LAST_DAY,
    OF_MYSQL,
    RESOLVE,
    SUCCESS_RATE,
    sql_blocks,
)
from tests.servers import Server

from smart_cron.store.gateway import Store
from smart_cron.store.public.views import VIEWS

PAGE = (DOCS / "database.md").read_text(encoding="utf-8")
TITLES = {"sqlite": "SQLite", "mariadb": "MariaDB", "postgresql": "PostgreSQL"}
# What the specification itself has of these two tables.
SPECIFIED = {
    "smart_cron_tasks_config": """id task_name task_description task_script schedule_pattern priority timeout_seconds
        enabled max_retries retry_delay_seconds failure_threshold consecutive_failures alert_on_failure alert_email
        is_running last_run_at next_run_at total_executions total_successes total_failures avg_execution_time""",
    "smart_cron_executions": """id task_id task_name started_at completed_at execution_time exit_code success
        stdout_output stderr_output error_message error_type memory_peak_mb triggered_by""",
}
TABLES = (
    "smart_cron_tasks_config",
    "smart_cron_executions",
    "smart_cron_audit_log",
    "smart_cron_alerts",
    "smart_cron_health_checks",
    "smart_cron_metrics",
    "smart_cron_rate_limits",
    "smart_cron_backups",
)


def documented(name: str) -> dict[str, str]:
    """Return the columns that the page has of a table or view, with their types."""
    section = PAGE.split(f"### {name}\n")[1].split("\n#")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([A-Z0-9()]+) \| \S.* \|$", section, re.MULTILINE)
    return dict(rows)


def there(mariadb: Server, name: str) -> dict[str, str]:
    """Return the columns that MariaDB has, with their types, the display widths of whole numbers left out."""
    printed = mariadb.run_sql(
        f"""SELECT column_name, column_type FROM information_schema.columns
        WHERE table_schema = 'smart_cron' AND table_name = '{name}' ORDER BY ordinal_position"""
    )
    columns = dict(line.split("\t") for line in printed.splitlines())
    types = {column: kind.split(" /*")[0].upper() for column, kind in columns.items()}
    return {column: re.sub(r"^(INT|BIGINT|TINYINT)\((?!1\))\d+\)", r"\1", kind) for column, kind in types.items()}


@pytest.mark.parametrize("name", [*TABLES, *VIEWS])
def test_every_column_that_the_specification_leaves_open_is_documented(
    mariadb_store: Store, mariadb: Server, name: str
) -> None:
    columns = there(mariadb, name)

    for column in SPECIFIED.get(name, "").split():
        columns.pop(column)
    assert documented(name) == columns


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_has_the_documented_columns_in_that_order_everywhere(store: Store, name: str) -> None:
    session = store.session
    with session.connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {name}")
        assert [column[0] for column in cursor.description] == list(documented(name))


def blocks(database: str, *, having: str) -> list[str]:
    return [block for block in sql_blocks("database.md", of=TITLES[database]) if having in block]


def rows(store: Store, statement: str) -> list[tuple[Any, ...]]:
    return store.session.rows(statement.replace("%", "%%"))


def test_the_last_24_hours_are_told_as_the_executions_imply(scene: Scene, database: str) -> None:
    now = scene.store.database.now()
    for name, minutes, duration in (("a", 5, 2.0), ("a", 23 * 60, 4.0), ("a", 25 * 60, 100.0), ("b", 10, 8.5)):
        scene.ran(name, end={"started_at": now - minutes * MINUTE, "completed_at": now, "duration": duration})

    (statement,) = blocks(database, having="as avg_time") or [LAST_DAY]

    assert (statement == LAST_DAY) == (LAST_DAY not in OF_MYSQL.get(database, ()))
    assert [tuple(row) for row in rows(scene.store, statement)] == [("b", 1, 8.5, 8.5), ("a", 2, 3.0, 4.0)]


def test_the_success_rate_is_told_as_the_executions_imply(scene: Scene, database: str) -> None:
    for _ in range(2):
        scene.ran("often")
    scene.ran("often", **FAILED)
    scene.ran("never", **FAILED)
    scene.add("new")

    (statement,) = blocks(database, having="as success_rate") or [SUCCESS_RATE]

    assert [(*row[:3], float(row[3])) for row in rows(scene.store, statement)] == [
        ("never", 1, 0, 0.0),
        ("often", 3, 2, 66.67),
    ]


def test_failing_tasks_are_told_with_their_errors(scene: Scene, database: str) -> None:
    scene.ran("bad", **FAILED, error_message="Exit code 3", stderr_copy="no such table")
    scene.ran("good")

    (statement,) = blocks(database, having="consecutive_failures >")

    printed = FAILING.replace("task_name", "t.task_name", 1)
    assert statement.strip().replace("CROSS JOIN", "JOIN") == printed
    assert rows(scene.store, statement) == [("bad", 1, "Exit code 3", "no such table")]
    assert rows(scene.store, printed) == rows(scene.store, statement)


def test_alerts_are_acknowledged_and_resolved_as_documented(store: Store, database: str) -> None:
    put(store, "alerts", id=123, alert_type="memory", severity="critical", message="full")
    printed = OF_MYSQL[database][1:] if database == "sqlite" else ()
    statements = [each for block in blocks(database, having="acknowledged = 1") for each in block.split("\n\n")]
    assert len(statements) == len(printed)

    before = store.database.now()
    for statement in statements or [ACKNOWLEDGE, RESOLVE]:
        store.session.execute(statement)

    row = store.session.rows(
        "SELECT acknowledged, acknowledged_by, resolved, acknowledged_at, resolved_at FROM smart_cron_alerts"
    )[0]
    assert tuple(row[:3]) == (1, 1, 1)
    instants = [store.session.dialect.read_instant(value) for value in row[3:]]
    assert all(instant is not None and abs((instant - before).total_seconds()) < 30 for instant in instants)
    assert rows(store, "SELECT * FROM smart_cron_active_alerts") == []


@pytest.mark.parametrize("statement", EVERYWHERE)
def test_every_other_statement_runs_as_printed_on_every_database(scene: Scene, statement: str) -> None:
    scene.ran(**FAILED)

    with scene.store.session.connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_view_has_the_figures_of_the_query(scene: Scene, database: str) -> None:
    now = scene.store.database.now()
    for name, duration in (("a", 2.0), ("a", 4.0), ("b", 8.5)):
        scene.ran(name, end={"started_at": now - MINUTE, "completed_at": now, "duration": duration})

    (statement,) = blocks(database, having="avg_execution_time_24h DESC")

    assert rows(scene.store, statement) == [("b", 1, 8.5, 8.5), ("a", 2, 3.0, 4.0)]


def test_the_event_is_altered_as_documented(mariadb: Server, opened: Callable[[str], Store]) -> None:
    opened("mariadb")
    (block,) = blocks("mariadb", having="ALTER EVENT")
    mariadb.run_sql("CREATE EVENT smart_cron_auto_cleanup ON SCHEDULE EVERY 1 DAY DO SELECT 1", "smart_cron")
    try:
        mariadb.run_sql(block, "smart_cron")

        shown = mariadb.run_sql("SHOW CREATE EVENT smart_cron_auto_cleanup", "smart_cron")
        assert "DISABLE" in shown
        assert "smart_cron_cleanup_old_data(1000)" in shown
    finally:
        mariadb.run_sql("DROP EVENT smart_cron_auto_cleanup", "smart_cron")
