"""The specification's own SQL runs verbatim on MariaDB, whatever the client's time zone, and is honoured."""

from __future__ import annotations

import pytest
from tests.conformance.scene import FAILED, MINUTE, NOON, Scene
from tests.docs.statements import (
    ACKNOWLEDGE,
    CLEAR_FAILURES,
    CLEAR_RUNNING,
    COUNT_TASKS,
    FAILING,
    INSERT,
    LAST_DAY,
    MAIL,
    RESOLVE,
    RETRIES,
    RUNNING,
    SLACK,
    SUCCESS_RATE,
)
from tests.servers import Server

OTHERS = (
    LAST_DAY,
    MAIL,
    SLACK,
    ACKNOWLEDGE,
    RESOLVE,
    RUNNING,
    CLEAR_RUNNING,
    CLEAR_FAILURES,
    SUCCESS_RATE,
    COUNT_TASKS,
)
DATABASE = "smart_cron"


def test_the_insert_is_a_whole_task(mariadb_scene: Scene, mariadb: Server) -> None:
    mariadb.run_sql(INSERT, DATABASE)

    task = mariadb_scene.task("my_task_name")
    assert task.invalid_reason is None
    assert task.definition.script == "/path/to/your/script.php"
    assert task.definition.schedule == "0 2 * * *"
    assert task.definition.timeout.total_seconds() == 300
    assert (task.definition.max_retries, task.definition.failure_threshold, task.definition.enabled) == (0, 5, True)
    assert len(mariadb_scene.store.plans.lock_changed(limit=5)) == 1


def test_the_updates_are_honoured(mariadb_scene: Scene, mariadb: Server) -> None:
    mariadb.run_sql(INSERT, DATABASE)
    mariadb.run_sql(RETRIES, DATABASE)

    policy = mariadb_scene.task("my_task_name").definition
    assert (policy.max_retries, policy.retry_delay.total_seconds()) == (3, 60)


@pytest.mark.parametrize("statement", OTHERS)
def test_every_other_statement_runs_as_printed(mariadb_scene: Scene, mariadb: Server, statement: str) -> None:
    mariadb_scene.ran(**FAILED)

    mariadb.run_sql(statement, DATABASE)


def test_the_join_for_failing_tasks_needs_its_table_named(mariadb_scene: Scene, mariadb: Server) -> None:
    mariadb_scene.ran(**FAILED, error_message="Exit code 3")

    with pytest.raises(RuntimeError, match="ERROR 1052"):
        mariadb.run_sql(FAILING, DATABASE)
    assert "Exit code 3" in mariadb.run_sql(FAILING.replace("task_name", "t.task_name", 1), DATABASE)


@pytest.mark.parametrize("zone", ["+13:00", "-08:00", "+00:00"])
def test_now_means_now_whatever_the_clients_zone(mariadb_scene: Scene, mariadb: Server, zone: str) -> None:
    mariadb_scene.add()
    mariadb_scene.planned()
    before = mariadb_scene.store.database.now()
    mariadb.run_sql(f"SET time_zone = '{zone}'; UPDATE smart_cron_tasks_config SET next_run_at = NOW(6);", DATABASE)
    after = mariadb_scene.store.database.now()

    (task,) = mariadb_scene.store.plans.lock_changed(limit=5)

    assert task.next_run_at is not None
    assert before <= task.next_run_at <= after


@pytest.mark.parametrize("zone", ["+13:00", "-08:00"])
def test_the_last_24_hours_are_24_hours_in_every_zone(mariadb_scene: Scene, mariadb: Server, zone: str) -> None:
    now = mariadb_scene.store.database.now()
    mariadb_scene.ran("recent", end={"started_at": now - 20 * 60 * MINUTE})
    mariadb_scene.ran("old", end={"started_at": now - 30 * 60 * MINUTE})

    assert mariadb.run_sql(f"SET time_zone = '{zone}';" + LAST_DAY, DATABASE).split()[0] == "recent"
    assert "old" not in mariadb.run_sql(f"SET time_zone = '{zone}';" + LAST_DAY, DATABASE)


def test_no_instant_updates_itself_and_all_text_is_utf8mb4(mariadb_scene: Scene, mariadb: Server) -> None:
    mariadb_scene.add()
    columns = f"FROM information_schema.columns WHERE table_schema = '{DATABASE}' AND table_name LIKE 'smart_cron%'"

    assert mariadb.run_sql(f"SELECT column_name {columns} AND extra LIKE '%update%'") == ""
    kinds = "(data_type LIKE '%char' OR data_type LIKE '%text')"
    assert mariadb.run_sql(f"SELECT DISTINCT collation_name {columns} AND {kinds}") == "utf8mb4_bin\n"
    ours = "table_name IN ('smart_cron_deliveries', 'smart_cron_task_revisions')"
    assert mariadb.run_sql(f"SELECT DISTINCT data_type {columns} AND data_type LIKE '%text' AND NOT {ours}") == "text\n"


def test_text_of_any_alphabet_survives_a_latin1_server(mariadb_scene: Scene) -> None:
    number = mariadb_scene.ran(stdout_copy="Ünïcode 💥 日本", error_message="日本")

    row = mariadb_scene.execution(number)
    assert (row["stdout_output"], row["error_message"]) == ("Ünïcode 💥 日本", "日本")


def test_deleting_a_task_by_sql_keeps_its_history(mariadb_scene: Scene, mariadb: Server) -> None:
    mariadb_scene.ran()
    mariadb.run_sql("DELETE FROM smart_cron_tasks_config", DATABASE)

    assert mariadb_scene.statuses() == ["success"]


@pytest.mark.parametrize(
    "bad",
    [
        "next_run_at = '0000-00-00 00:00:00'",
        "schedule_pattern = ''",
        "schedule_pattern = REPEAT('*', 255)",
        "timeout_seconds = -1",
        "priority = -128",
        "on_missed = 'sometimes'",
        "on_overlap = ''",
        "start_deadline_seconds = -2147483648",
        "time_zone = 'Mars/Base'",
        "task_name = ''",
        "enabled = -7",
        "accounted_until = '0000-00-00 00:00:00', last_run_at = '0000-00-00 00:00:00'",
        "planned_pattern = 'x', planned_zone = '', planned_policy = '?'",
    ],
)
def test_one_bad_row_may_disable_itself_only(mariadb_scene: Scene, mariadb: Server, bad: str) -> None:
    scene = mariadb_scene
    scene.add("bad")
    scene.add("good")
    scene.planned()
    mariadb.run_sql(f"UPDATE smart_cron_tasks_config SET {bad} WHERE task_name = 'bad'", DATABASE)

    with scene.store.database.transaction():
        changed = scene.store.plans.lock_changed(limit=5)
        reasons = {task.task_id: task.fault or "cannot be planned" for task in changed}
        plans = [scene.plan(task, invalid_reason=reasons[task.task_id]) for task in changed]
        scene.store.plans.save_plans(plans, now=NOON)

    assert "good" not in {task.name for task in changed}
    assert "good" in {task.name for task in scene.due()}
    assert scene.store.plans.lock_changed(limit=5) == []
    scene.start("good")
    assert [claim.task.name for claim in scene.claim()] == ["good"]
    assert len(scene.store.tasks.list()) == 2


def test_a_timeout_that_is_none_makes_the_task_invalid(mariadb_scene: Scene, mariadb: Server) -> None:
    mariadb_scene.add()
    mariadb_scene.planned()
    mariadb.run_sql("UPDATE smart_cron_tasks_config SET timeout_seconds = -1", DATABASE)
    mariadb_scene.planned()

    assert "timeout_seconds" in (mariadb_scene.task().invalid_reason or "")
    assert mariadb_scene.due() == []
    mariadb.run_sql("UPDATE smart_cron_tasks_config SET timeout_seconds = 60", DATABASE)
    mariadb_scene.planned()
    assert mariadb_scene.task().invalid_reason is None


def test_a_heartbeat_that_changes_nothing_still_counts_as_a_match(mariadb_scene: Scene) -> None:
    mariadb_scene.add()

    assert mariadb_scene.sql("UPDATE smart_cron_tasks_config SET enabled = enabled") == 1
