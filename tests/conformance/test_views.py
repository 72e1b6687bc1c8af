"""The four views: the same columns and answers on every database, in every time zone, made anew when they are gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.conformance.conftest import DATABASES, emptied
from tests.conformance.scene import FAILED, MINUTE, Scene
from tests.servers import Server

from smart_cron.core.rollup import hour_of
from smart_cron.store.gateway import Store
from smart_cron.store.public.views import VIEWS

HOUR = timedelta(hours=1)
DATABASE = "smart_cron"
Rows = list[dict[str, Any]]


def put(store: Store, table: str, **columns: object) -> None:
    values = [
        store.session.dialect.instant(value) if isinstance(value, datetime) else value for value in columns.values()
    ]
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    store.session.execute(f"INSERT INTO smart_cron_{table} ({names}) VALUES ({marks})", values)


def read(store: Store, view: str) -> Rows:
    return [_plain(store, row) for row in store.session.dictionaries(f"SELECT * FROM smart_cron_{view}")]


def _plain(store: Store, row: Mapping[str, Any]) -> dict[str, Any]:
    """Instants become aware ones; SQLite keeps them as text."""
    instant = store.session.dialect.read_instant
    return {name: instant(value) if name.endswith(("_at", "_for")) else value for name, value in row.items()}


def the_one(store: Store, view: str) -> dict[str, Any]:
    (row,) = read(store, view)
    return row


def fill(store: Store, now: datetime) -> None:
    """Two tasks with a past, one without; runs, alerts and looks of many ages, none near a bound."""
    task = {"task_script": "/bin/true", "schedule_pattern": "0 2 * * *"}
    totals = {"total_executions": 800, "total_successes": 799, "total_failures": 1}
    sums = {"timed_executions": 8, "timed_seconds": 10.0, "last_status": "failed", "last_run_at": now - MINUTE}
    put(store, "tasks_config", id=1, task_name="sums", **task, **totals, **sums, consecutive_failures=1)
    put(store, "tasks_config", id=2, task_name='Große "Töchter"', **task, enabled=0, consecutive_failures=9)
    put(store, "tasks_config", id=3, task_name="new", **task, next_run_at=now + HOUR, priority=1)
    for ago, runs, won in ((0, 3, 2), (5, 4, 4), (30, 100, 0)):
        hour = {"period": "hour", "bucket_at": hour_of(now) - ago * HOUR, "task_id": 1, "task_name": "sums"}
        for node in ("one", "two"):
            durations = {"timed_runs": runs, "duration_sum": 0.5 * runs, "duration_max": 1.0 + ago}
            put(store, "metrics", **hour, node=node, runs=runs, successes=won, failures=runs - won, **durations)
    put(store, "metrics", period="day", bucket_at=hour_of(now), task_id=1, task_name="sums", runs=999)
    ends = [("failed", 30), ("timeout", 3 * 60), ("lost", 23 * 60), ("failed", 25 * 60), ("success", 20), ("missed", 5)]
    for number, (status, minutes) in enumerate(ends, start=1):
        run = {"id": number, "task_id": 1, "task_name": "sums", "status": status, "error_message": f"it is {status}"}
        started = None if status == "missed" else now - (minutes + 1) * MINUTE
        put(
            store,
            "executions",
            **run,
            started_at=started,
            completed_at=now - minutes * MINUTE,
            stderr_output="é" * 1500 + "💥 end" if number == 1 else None,
            execution_time=60.0,
            exit_code=3,
        )
    put(store, "executions", id=7, task_id=3, task_name="new", status="running", started_at=now - 90 * MINUTE)
    put(store, "executions", id=8, task_id=3, task_name="new", status="waiting")
    for number, severity in enumerate(("warning", "critical", "error", "info", "critical"), start=1):
        alert = {"id": number, "severity": severity, "alert_type": "task_failure", "message": "it failed"}
        put(store, "alerts", **alert, resolved=int(number == 5), created_at=now - number * MINUTE, acknowledged=1)
    looks = [(20, "critical"), (10, "critical"), (5, "warning")]
    for minutes, status in looks:
        put(store, "health_checks", check_name="disk_space", status=status, checked_at=now - minutes * MINUTE)


@pytest.mark.slow
def test_all_views_say_the_same_on_every_database(opened: Callable[[str], Store]) -> None:
    now = datetime.now(UTC)
    said: dict[str, list[Rows]] = {}
    for database in DATABASES:
        store = emptied(opened(database))
        fill(store, now)
        said[database] = [read(store, view.removeprefix("smart_cron_")) for view in VIEWS]

    assert said["mariadb"] == said["sqlite"]
    assert said["postgresql"] == said["sqlite"]
    performance, failures, alerts, status = said["sqlite"]
    assert {row["task_name"]: row["executions_24h"] for row in performance} == {
        "sums": 14,
        'Große "Töchter"': 0,
        "new": 0,
    }
    assert [row["status"] for row in failures] == ["failed", "timeout", "lost"]
    assert [row["severity"] for row in alerts] == ["critical", "error", "warning", "info"]
    assert status == [
        {
            "healthy": 1,
            "enabled_tasks": 2,
            "running_tasks": 1,
            "executions_last_hour": 2,
            "failures_last_hour": 1,
            "failing_tasks": 1,
            "active_alerts": 4,
            "critical_alerts": 1,
            "last_health_check_at": now - 5 * MINUTE,
        }
    ]


def test_performance_is_of_all_time_and_of_the_last_24_hours(store: Store) -> None:
    now = datetime.now(UTC)
    fill(store, now)

    row = read(store, "task_performance")[0]

    # 799 of 800 are 99.875 %, and a half is rounded up everywhere.
    assert (row["total_executions"], row["success_rate"], row["avg_execution_time"]) == (800, 99.88, 1.25)
    assert (row["executions_24h"], row["failures_24h"], row["success_rate_24h"]) == (14, 2, 85.71)
    assert (row["avg_execution_time_24h"], row["max_execution_time_24h"]) == (0.5, 6.0)
    assert (row["last_status"], row["consecutive_failures"], row["last_run_at"]) == ("failed", 1, now - MINUTE)
    assert read(store, "task_performance")[1]["success_rate"] is None


def test_a_failure_is_told_with_the_end_of_its_stderr(store: Store) -> None:
    fill(store, datetime.now(UTC))

    newest = read(store, "recent_failures")[0]

    assert (newest["execution_id"], newest["error_message"], newest["exit_code"]) == (1, "it is failed", 3)
    assert newest["stderr_tail"] == "é" * 995 + "💥 end"


def test_the_views_tell_what_the_engine_recorded(scene: Scene) -> None:
    now = scene.store.database.now()
    ended = {"started_at": now - 2 * MINUTE, "completed_at": now - MINUTE, "duration": 2.0}
    scene.ran("good", end=ended)
    number = scene.ran("bad", **FAILED, end=ended, error_message="Exit code 3", stderr_copy="no such table")

    (failure,) = read(scene.store, "recent_failures")
    assert (failure["execution_id"], failure["task_name"], failure["stderr_tail"]) == (number, "bad", "no such table")
    figures = {
        row["task_name"]: (row["executions_24h"], row["success_rate"]) for row in read(scene.store, "task_performance")
    }
    assert figures == {"good": (1, 100.0), "bad": (1, 0.0)}
    assert [row["task_name"] for row in read(scene.store, "active_alerts")] == ["bad"]
    status = the_one(scene.store, "system_status")
    assert (status["executions_last_hour"], status["failures_last_hour"], status["failing_tasks"]) == (2, 1, 1)


def test_a_run_counts_as_running_while_a_node_holds_it(scene: Scene) -> None:
    scene.requested()
    scene.requested("other")
    assert the_one(scene.store, "system_status")["running_tasks"] == 0

    scene.claim()

    assert the_one(scene.store, "system_status")["running_tasks"] == 2


@pytest.mark.parametrize(
    ("looks", "healthy"),
    [
        ([], 0),
        ([(5, "disk", "one", "ok"), (5, "memory", "one", "warning")], 1),
        ([(5, "disk", "one", "critical")], 0),
        ([(5, "disk", "one", "unknown")], 0),
        ([(20, "disk", "one", "ok")], 0),
        ([(10, "disk", "one", "critical"), (5, "disk", "one", "ok")], 1),
        ([(10, "disk", "one", "critical"), (5, "disk", "two", "ok")], 0),
        ([(10, "disk", None, "critical"), (5, "disk", None, "ok")], 1),
        ([(5, "disk", "one", "critical"), (5, "disk", "one", "ok")], 1),
    ],
)
def test_healthy_is_what_was_found_last_within_fifteen_minutes(
    store: Store, looks: list[tuple[int, str, str | None, str]], healthy: int
) -> None:
    now = datetime.now(UTC)
    for minutes, check, node, status in looks:
        put(store, "health_checks", checked_at=now - minutes * MINUTE, check_name=check, node=node, status=status)

    assert the_one(store, "system_status")["healthy"] == healthy


@pytest.mark.parametrize("zone", ["+13:00", "-08:00", "+05:45"])
def test_a_day_is_a_day_whatever_the_time_zone_of_the_session(mariadb_store: Store, mariadb: Server, zone: str) -> None:
    fill(mariadb_store, datetime.now(UTC))
    of_session = f"SET time_zone = '{zone}'; "

    failures = mariadb.run_sql(of_session + "SELECT COUNT(*) FROM smart_cron_recent_failures", DATABASE)
    columns = "healthy, executions_last_hour, failures_last_hour"
    status = mariadb.run_sql(of_session + f"SELECT {columns} FROM smart_cron_system_status", DATABASE)
    performance = "SELECT MAX(executions_24h) FROM smart_cron_task_performance"

    assert failures == "3\n"
    assert status == "1\t2\t1\n"
    assert mariadb.run_sql(of_session + performance, DATABASE) == "14\n"


@pytest.fixture(scope="module")
def berlin(mariadb: Server) -> str:
    """A time zone by name, which servers know once somebody has loaded them: Berlin's year 2026."""
    forth, back = (int(datetime(2026, month, day, 1, tzinfo=UTC).timestamp()) for month, day in ((3, 29), (10, 25)))
    mariadb.run_sql(
        f"""INSERT INTO time_zone (Time_zone_id) VALUES (77);
        INSERT INTO time_zone_name (Name, Time_zone_id) VALUES ('Test/Berlin', 77);
        INSERT INTO time_zone_transition_type VALUES (77, 0, 3600, 0, 'CET'), (77, 1, 7200, 1, 'CEST');
        INSERT INTO time_zone_transition VALUES (77, {forth}, 1), (77, {back}, 0);""",
        "mysql",
    )
    return "Test/Berlin"


@pytest.mark.parametrize("now", ["2026-10-25 12:00", "2026-10-26 00:30", "2026-10-26 01:30", "2026-03-29 12:00"])
def test_a_day_is_24_hours_when_clocks_change(mariadb_store: Store, mariadb: Server, berlin: str, now: str) -> None:
    """An hour came twice on 25 October; the session's clock is set to these instants."""
    instant = datetime.fromisoformat(now).replace(tzinfo=UTC)
    for minutes in (24 * 60 - 10, 24 * 60 + 10):
        run = {"task_id": 1, "task_name": f"{minutes} ago", "status": "failed"}
        put(mariadb_store, "executions", **run, completed_at=instant - minutes * MINUTE)

    session = f"SET time_zone = '{berlin}', timestamp = {instant.timestamp()};"
    assert mariadb.run_sql(f"{session} SELECT task_name FROM smart_cron_recent_failures", DATABASE) == "1430 ago\n"


def test_what_was_dropped_is_named_and_comes_back_with_the_next_migration(store: Store) -> None:
    store.session.execute("DROP VIEW smart_cron_active_alerts")

    (sentence,) = store.public.missing()
    assert sentence.startswith("the view smart_cron_active_alerts is missing")
    assert store.database.migrate() == []
    assert store.public.missing() == []
    assert store.public.not_made() == ()


def test_a_view_that_somebody_else_made_of_that_name_is_replaced(store: Store) -> None:
    store.session.execute("DROP VIEW smart_cron_active_alerts")
    store.session.execute("CREATE VIEW smart_cron_active_alerts AS SELECT 1 AS mine")

    store.database.migrate()

    assert read(store, "active_alerts") == []


def test_a_table_in_the_place_of_a_view_is_told_and_left_alone(store: Store) -> None:
    store.session.execute("DROP VIEW smart_cron_active_alerts")
    store.session.execute("CREATE TABLE smart_cron_active_alerts (mine integer)")
    try:
        store.database.migrate()

        (sentence,) = store.public.not_made()
        assert "the view smart_cron_active_alerts could not be made" in sentence
        assert the_one(store, "system_status")["enabled_tasks"] == 0
    finally:
        store.session.execute("DROP TABLE smart_cron_active_alerts")
        store.database.migrate()


def test_views_of_others_upon_ours_outlive_a_migration(server_store: Store) -> None:
    server_store.session.execute("CREATE VIEW mine AS SELECT severity FROM smart_cron_active_alerts")
    try:
        server_store.database.migrate()

        assert server_store.public.not_made() == ()
        assert server_store.session.rows("SELECT * FROM mine") == []
    finally:
        server_store.session.execute("DROP VIEW mine")
