"""Definitions are kept as they were saved, and what SQL changed, added or deleted is noticed once."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from tests.conformance.conftest import emptied
from tests.conformance.scene import NOON, Scene, definition
from tests.servers import Server

from smart_cron.core.audit import Actor, AuditFilter, Source
from smart_cron.core.errors import UnknownRevisionError
from smart_cron.core.revision import Noticed, differing
from smart_cron.core.task import Limits, OnMissed, OnOverlap, Sandbox, TaskDefinition
from smart_cron.store.gateway import Store, open_store

BY_CLI = Actor("cli:ann", source=Source.CLI)
# Every field another than the usual one, with letters that databases stumble over.
FULL = TaskDefinition(
    name="voll – ß'\"\\ %s {}",
    script="/bin/true",
    arguments=("a b", "ü", "%"),
    stdin_text="line\nline\n",
    schedule="5 4 * * *",
    time_zone="Pacific/Auckland",
    description='{"json": "looks like it"}  ',
    priority=2,
    timeout=timedelta(seconds=61),
    kill_grace=timedelta(seconds=3),
    on_missed=OnMissed.ALL,
    on_overlap=OnOverlap.QUEUE,
    start_deadline=timedelta(seconds=99),
    max_retries=3,
    retry_delay=timedelta(seconds=7),
    retry_lost=True,
    failure_threshold=2,
    success_exit_codes=(0, 3),
    group="g",
    node_tag="t",
    run_as="nobody",
    working_directory="/tmp",
    umask="027",
    environment={"A": "1", "TOKEN": "canary-2"},
    limits=Limits(memory_mb=1, cpu_seconds=2, open_files=3, processes=4, output_bytes=5, nice=6),
    sandbox=Sandbox.STRICT,
    sandbox_network=False,
    keep_processes=True,
    merge_output=True,
    alert_on_failure=False,
    alert_email="ops@example.com",
    alert_slack_webhook="https://hooks.slack.com/x",
    ping_url="https://example.com/p",
    anomaly_tolerance=0.1,
    origin="crontab",
)


def numbers(scene: Scene, name: str = "report") -> list[tuple[int, str, str | None]]:
    task_id = scene.task(name).id
    return [(each.number, each.actor, each.source) for each in scene.store.revisions.revisions(task_id)]


def audited(scene: Scene) -> list[tuple[Any, ...]]:
    entries = scene.store.audit.entries(AuditFilter())
    return [(each.action, each.entity_name) for each in entries if each.source == "sql"]


def test_each_save_is_a_revision_and_one_that_changes_nothing_is_none(scene: Scene) -> None:
    task = scene.store.tasks.add(definition(), actor=BY_CLI)
    scene.store.tasks.replace(task.id, definition(priority=3), actor="test")
    scene.store.tasks.replace(task.id, definition(priority=3), actor="test")
    scene.store.tasks.set_enabled(task.id, False, actor=BY_CLI)

    assert numbers(scene) == [(3, "cli:ann", "cli"), (2, "test", "api"), (1, "cli:ann", "cli")]
    first, second = (scene.store.revisions.revision(task.id, number).values for number in (1, 2))
    assert differing(first, second) == ["priority"]
    with pytest.raises(UnknownRevisionError):
        scene.store.revisions.revision(task.id, 4)


def test_what_was_saved_by_us_is_never_taken_for_a_change_by_sql(scene: Scene) -> None:
    given = {field.name for field in fields(FULL) if getattr(FULL, field.name) != getattr(definition(), field.name)}
    assert {"shell_command", "enabled", "script"} >= {field.name for field in fields(FULL)} - given
    scene.store.tasks.add(FULL, actor="test")
    scene.store.tasks.add(definition(), actor="test")

    assert scene.store.revisions.notice() == Noticed()
    assert scene.store.revisions.notice() == Noticed()
    assert audited(scene) == []


def test_a_revision_gives_the_whole_definition_back(scene: Scene) -> None:
    task = scene.store.tasks.add(FULL, actor="test")
    scene.store.tasks.replace(task.id, definition(), actor="test")
    wanted, fault = scene.store.revisions.definition(task.id, 1)
    assert fault is None

    scene.store.tasks.replace(task.id, wanted, actor="test", revision=1)

    assert scene.store.tasks.get(FULL.name).definition == FULL
    assert [each.action for each in scene.store.audit.entries(AuditFilter(), limit=1)] == ["rollback to 1"]
    assert numbers(scene, FULL.name)[0][0] == 3


def test_a_column_that_planning_does_not_heed_is_noticed_when_changed_by_sql_and_once(scene: Scene) -> None:
    scene.add()
    scene.planned()
    scene.store.revisions.notice()
    scene.sql(
        "UPDATE smart_cron_tasks_config SET alert_email = 'eve@example.com', environment = '{\"A\": \"canary-3\"}'"
    )

    assert scene.store.revisions.notice() == Noticed(changed=("report",))
    assert scene.store.revisions.notice() == Noticed()
    (entry,) = [each for each in scene.store.audit.entries(AuditFilter()) if each.source == "sql"]
    assert (entry.actor, entry.action, entry.entity_name) == ("sql", "update", "report")
    assert json.loads(str(entry.new_values)) == {"alert_email": "eve@example.com", "environment": "(hidden)"}
    assert json.loads(str(entry.old_values)) == {"alert_email": None, "environment": None}
    assert numbers(scene)[0] == (2, "sql", "sql")
    assert scene.store.audit.verify().is_whole


def test_planning_notices_what_it_finds_changed_in_its_own_transaction(scene: Scene) -> None:
    scene.add()
    scene.planned()
    scene.sql("UPDATE smart_cron_tasks_config SET schedule_pattern = '1 2 * * *'")

    with suppress(ZeroDivisionError), scene.store.database.transaction():
        scene.store.plans.lock_changed(limit=10)
        raise ZeroDivisionError
    assert audited(scene) == []
    scene.planned()

    assert audited(scene) == [("update", "report")]
    assert scene.store.revisions.notice() == Noticed()


def test_a_task_added_by_sql_has_a_first_revision_and_an_audit_row(scene: Scene) -> None:
    scene.sql(
        """INSERT INTO smart_cron_tasks_config (task_name, task_script, schedule_pattern)
         VALUES ('inserted', '/bin/true', '0 2 * * *')"""
    )
    scene.planned()

    assert audited(scene) == [("create", "inserted")]
    assert numbers(scene, "inserted") == [(1, "sql", "sql")]
    assert scene.store.revisions.notice() == Noticed()


def test_a_task_deleted_by_sql_is_noticed_once_and_its_revisions_stay(scene: Scene) -> None:
    kept, gone = scene.add("kept"), scene.add("gone")
    removed = scene.add("removed")
    scene.store.tasks.remove(removed.id, actor="test", now=NOON)
    scene.store.revisions.notice()
    scene.sql("DELETE FROM smart_cron_tasks_config WHERE task_name = 'gone'")

    assert scene.store.revisions.notice() == Noticed(deleted=("gone",))
    assert scene.store.revisions.notice() == Noticed()
    assert audited(scene) == [("delete", "gone")]
    assert [each.number for each in scene.store.revisions.revisions(gone.id)] == [1]
    assert scene.store.revisions.revision(kept.id, 1).task_name == "kept"


def test_tasks_that_were_there_before_the_upgrade_get_a_first_revision_and_no_audit_row(scene: Scene) -> None:
    scene.add()
    scene.sql("DELETE FROM smart_cron_task_revisions")
    scene.sql(
        """INSERT INTO smart_cron_tasks_config (task_name, task_script, schedule_pattern, created_at)
         VALUES ('old', '/bin/true', '0 2 * * *', '2020-01-01 00:00:00')"""
    )

    assert scene.store.revisions.notice() == Noticed(entered=2)
    assert scene.store.revisions.notice() == Noticed()
    assert audited(scene) == []
    assert numbers(scene, "old") == [(1, "upgrade", "engine")]


def test_a_change_by_sql_is_told_apart_from_the_change_of_ours_that_follows(scene: Scene) -> None:
    task = scene.add()
    scene.sql("UPDATE smart_cron_tasks_config SET task_description = 'by hand'")
    scene.store.tasks.set_enabled(task.id, False, actor="cli:ann")

    assert numbers(scene) == [(3, "cli:ann", "cli"), (2, "sql", "sql"), (1, "test", "api")]
    assert [each.action for each in scene.store.audit.entries(AuditFilter())] == ["disable", "update", "create"]


def test_a_task_that_another_holds_is_noticed_the_next_time(server_scene: Scene, server: Server) -> None:
    """Nothing is waited for: a claim that records its run has the row, and the look passes it over."""
    scene = server_scene
    scene.add()
    scene.store.revisions.notice()
    scene.sql("UPDATE smart_cron_tasks_config SET task_description = 'by hand'")
    other = open_store(server.url("smart_cron"), alias="other", timeout_seconds=10)
    try:
        with other.database.transaction():
            other.session.rows("SELECT id FROM smart_cron_tasks_config FOR UPDATE")
            assert scene.store.revisions.notice() == Noticed()
        assert scene.store.revisions.notice() == Noticed(changed=("report",))
    finally:
        other.database.close()


def test_alerts_acknowledged_and_resolved_by_the_specifications_sql_are_audited_once(scene: Scene) -> None:
    for kind in ("task_failure", "stuck_task", "ours"):
        scene.sql("INSERT INTO smart_cron_alerts (alert_type, severity, message) VALUES (%s, 'error', 'm')", [kind])
    first, second, third = (row[0] for row in scene.store.session.rows("SELECT id FROM smart_cron_alerts ORDER BY id"))
    now = "datetime('now')" if scene.store.session.dialect.name == "sqlite" else "NOW()"
    scene.sql(
        f"""UPDATE smart_cron_alerts SET acknowledged = 1, acknowledged_at = {now}, acknowledged_by = 1
         WHERE id = {first}"""
    )
    scene.sql(f"UPDATE smart_cron_alerts SET resolved = 1, resolved_at = {now} WHERE id = {second}")
    scene.store.alerts.acknowledge(third, user_id=None, actor="ann")
    scene.store.alerts.resolve(third, actor="ann")

    assert scene.store.revisions.notice_alerts() == 2
    assert scene.store.revisions.notice_alerts() == 0
    entries = [each for each in scene.store.audit.entries(AuditFilter()) if each.source == "sql"]
    assert [(each.action, each.entity_id, each.user_id) for each in entries] == [
        ("resolve", second, None),
        ("acknowledge", first, 1),
    ]
    assert scene.store.audit.verify().is_whole


def test_a_row_that_sqlite_alone_can_hold_is_kept_and_noticed_once(opened: Callable[[str], Store]) -> None:
    scene = Scene(emptied(opened("sqlite")))
    scene.add()
    scene.sql("UPDATE smart_cron_tasks_config SET task_description = x'ff00', anomaly_tolerance = 9e999")

    assert scene.store.revisions.notice() == Noticed(changed=("report",))
    assert scene.store.revisions.notice() == Noticed()


@pytest.mark.slow
def test_many_tasks_are_added_in_one_transaction_with_their_rows_and_revisions(scene: Scene) -> None:
    with scene.store.database.transaction():
        for number in range(600):
            scene.store.tasks.add(replace(definition(f"task-{number}")), actor="test")

    assert (scene.count("smart_cron_task_revisions"), scene.count("smart_cron_audit_log")) == (600, 600)
    report = scene.store.audit.verify()
    assert report.is_whole, report.bad
    assert scene.store.revisions.notice() == Noticed()


@pytest.mark.parametrize("away", [timedelta(minutes=5), timedelta(minutes=-5)], ids=["later", "due at once"])
def test_a_slot_set_by_sql_is_audited_once_and_one_that_we_set_is_not_taken_for_it(
    scene: Scene, away: timedelta
) -> None:
    task = scene.add()
    scene.planned(next_run_at=NOON + timedelta(hours=1))
    scene.store.tasks.set_next_run(task.id, NOON + away, actor="ada")
    look(scene)
    assert audited(scene) == []
    by_hand = scene.store.session.dialect.instant(NOON + 2 * away)
    scene.sql("UPDATE smart_cron_tasks_config SET next_run_at = %s", [by_hand])

    look(scene)
    look(scene)

    assert audited(scene) == [("update", "report")]


def look(scene: Scene) -> None:
    """Lock what is due or changed, twice, as planning may, and leave it."""
    with scene.store.database.transaction():
        for _ in range(2):
            scene.store.plans.lock_due(now=NOON, limit=10)
            scene.store.plans.lock_changed(limit=10)
