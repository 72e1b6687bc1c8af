"""The ports `RestoredStore` and `IncidentStore`, on every database: a backup that was restored, and counts set to 0."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.conformance.scene import FAILED, MINUTE, NOON, SECOND, Scene

from smart_cron.core.errors import RestoredDatabaseError
from smart_cron.core.node import NodeIdentity, NodeState
from smart_cron.core.planning import pass_over
from smart_cron.core.restored import FoundRun
from smart_cron.core.run import AlertDraft, SlotOutcome, SlotRange, Status, Trigger

ONE = NodeIdentity(name="one", identity="a1", boot_id="b1", host="h", version="1", master_pid=7, max_concurrent=3)
NOW = NOON + 10 * MINUTE
SLOTS = [NOON + number * MINUTE for number in range(5)]
THREE_IN_A_ROW: dict[str, Any] = {
    **FAILED,
    "alerts": (AlertDraft(alert_type="consecutive_failures", severity="critical", message="3 times"),),
}


def found(scene: Scene, number: int, *, slot: datetime | None = NOON, **changes: Any) -> FoundRun:
    """A run of the time after the backup, as its file tells of it."""
    run = FoundRun(
        execution_id=number,
        run_id=scene.run_id(),
        task_id=scene.task().id,
        task_name="report",
        attempt=1,
        scheduled_for=slot,
        triggered_by=Trigger.CRON if slot else Trigger.MANUAL,
        started_at=NOON + SECOND,
        incarnation="boot:a1",
        launch_deadline=99.5,
        allowed_seconds=70,
    )
    return replace(run, **changes)


def enter(scene: Scene, *runs: FoundRun) -> dict[str, int]:
    with scene.store.database.transaction():
        return scene.store.restored.enter(runs, node="one")


def held_numbers(scene: Scene) -> list[tuple[int, str]]:
    return [(run.execution_id, run.run_id) for run in scene.store.records.held(node="one")]


def ranges(scene: Scene) -> list[tuple[str, datetime | None, datetime | None, int, str]]:
    read = scene.store.session.dialect.read_instant
    rows = scene.store.session.rows(
        "SELECT outcome, first_slot, last_slot, slot_count, reason FROM smart_cron_skipped_slots ORDER BY first_slot"
    )
    return [(row[0], read(row[1]), read(row[2]), row[3], row[4]) for row in rows]


def missed(scene: Scene) -> int:
    """A minute task of whose slots five were recorded as missed; return its number."""
    task = scene.add()
    scene.planned()
    gap = SlotRange(first=SLOTS[0], last=SLOTS[-1], count=5, outcome=SlotOutcome.MISSED, reason="restored")
    with scene.store.database.transaction():
        (due,) = scene.store.plans.lock_due(now=NOW, limit=10)
        scene.store.plans.save_plans([scene.plan(due, not_run=(gap,))], now=NOW)
    return task.id


# Runs that only files know ------------------------------------------------------------------------------------


def test_a_run_that_is_not_known_is_entered_under_its_own_number_and_settled_like_any_other(scene: Scene) -> None:
    number = scene.ran() + 5
    run = found(scene, number)
    assert scene.store.restored.unknown([run.run_id]) == {run.run_id}

    assert enter(scene, run) == {run.run_id: number}

    assert scene.store.restored.unknown([run.run_id]) == set()
    assert held_numbers(scene) == [(number, run.run_id)]
    assert scene.store.records.held(node="one")[0].allowed_seconds == 70
    row = scene.execution(number)
    assert (row["status"], row["scheduled_for"], row["attempt"], row["node"]) == ("running", NOON, 1, "one")
    with scene.store.database.transaction():
        (opened,) = scene.store.records.lock_open([(number, run.run_id)])
        assert (opened.task_name, opened.scheduled_for, opened.triggered_by) == ("report", NOON, Trigger.CRON)


def test_numbers_go_on_behind_what_was_entered(scene: Scene) -> None:
    number = scene.ran() + 5
    enter(scene, found(scene, number))

    assert scene.requested("other") > number


def test_a_row_that_waited_in_the_backup_becomes_the_run_that_it_was(scene: Scene) -> None:
    scene.add(priority=2)
    scene.planned()
    scene.start()
    (number,) = [row[0] for row in scene.store.session.rows("SELECT id FROM smart_cron_executions")]

    enter(scene, found(scene, number))

    assert scene.statuses() == ["running"]
    row = scene.execution(number)
    assert (row["priority"], row["due_at"], row["triggered_by"]) == (2, NOON, "cron")


def test_a_slot_that_was_planned_anew_under_another_number_keeps_the_number_of_its_run(scene: Scene) -> None:
    scene.add()
    scene.planned()
    scene.start()
    (number,) = [row[0] for row in scene.store.session.rows("SELECT id FROM smart_cron_executions")]

    enter(scene, found(scene, number + 3))

    assert held_numbers(scene)[0][0] == number + 3
    assert scene.count("smart_cron_executions") == 1


def test_a_run_by_hand_keeps_what_was_asked_for(scene: Scene) -> None:
    number = scene.requested()
    scene.sql("UPDATE smart_cron_executions SET run_arguments = '[\"a\"]' WHERE id = %s", [number])

    enter(scene, found(scene, number, slot=None))

    row = scene.execution(number)
    assert (row["status"], row["run_arguments"], row["requested_by"]) == ("running", '["a"]', "test")


def test_a_run_asked_for_after_the_restore_gives_its_number_away_and_still_starts(scene: Scene) -> None:
    number = scene.requested()

    enter(scene, found(scene, number, slot=None, started_at=NOON - MINUTE))

    assert held_numbers(scene)[0][0] == number
    (claim,) = scene.claim(node="two")
    assert claim.execution_id > number


def test_a_row_that_is_over_gives_its_number_away_with_its_alerts(scene: Scene) -> None:
    number = scene.ran(**FAILED)

    enter(scene, found(scene, number))

    (moved,) = scene.store.session.rows("SELECT id FROM smart_cron_executions WHERE status = 'failed'")
    assert moved[0] > number
    assert scene.store.session.rows("SELECT execution_id FROM smart_cron_alerts") == [moved]


def test_a_number_under_which_a_run_is_held_stays_with_that_run(scene: Scene) -> None:
    number = scene.requested()
    (claim,) = scene.claim(node="two")
    run = found(scene, number)

    numbers = enter(scene, run)

    assert numbers[run.run_id] > number
    assert scene.execution(number)["run_id"] == claim.run_id


def test_a_slot_that_was_started_twice_around_the_restore_shows_both_runs(scene: Scene) -> None:
    scene.add()
    scene.planned()
    scene.start()
    scene.settle(scene.claim())
    run = found(scene, 1000)

    enter(scene, run)

    assert (scene.execution(1000)["attempt"], scene.execution(1000)["scheduled_for"]) == (2, NOON)


def test_a_run_of_a_task_that_is_not_there_is_entered_all_the_same(scene: Scene) -> None:
    scene.add()

    enter(scene, found(scene, 77, task_id=4242, task_name="gone"))

    assert (scene.execution(77)["task_name"], scene.execution(77)["status"]) == ("gone", "running")


def test_a_slot_that_ran_is_taken_out_of_the_range_that_missed_it(scene: Scene) -> None:
    missed(scene)

    enter(scene, found(scene, 50, slot=SLOTS[2]), found(scene, 51, slot=SLOTS[4]))

    assert ranges(scene) == [
        ("missed", SLOTS[0], SLOTS[1], 2, "restored"),
        ("missed", SLOTS[3], SLOTS[3], 1, "restored"),
    ]


def test_a_slot_outside_leaves_the_range_as_it_is(scene: Scene) -> None:
    missed(scene)

    enter(scene, found(scene, 50, slot=SLOTS[2] + 7 * SECOND))

    assert ranges(scene) == [("missed", SLOTS[0], SLOTS[4], 5, "restored")]


def test_numbers_can_be_left_out_for_runs_of_other_nodes(scene: Scene) -> None:
    number = scene.ran()

    with scene.store.database.transaction():
        scene.store.restored.skip_numbers(1000)

    assert scene.requested() >= number + 1000
    assert scene.count("smart_cron_executions") == 2


# What waits, and slots ----------------------------------------------------------------------------------------


def miss(scene: Scene, *, until: datetime = NOW, asked_since: datetime | None = None) -> int:
    with scene.store.database.transaction():
        return scene.store.restored.miss_pending(until=until, asked_since=asked_since, reason="restored", now=NOW)


def test_what_was_still_to_start_is_missed_and_counts_nowhere(scene: Scene) -> None:
    scene.add()
    scene.planned()
    scene.start()
    scene.add("other")
    scene.planned()
    scene.start("other", at=NOON, status=Status.QUEUED)

    assert miss(scene) == 2

    assert scene.statuses() == ["missed", "missed"]
    assert scene.store.session.rows("SELECT DISTINCT error_message FROM smart_cron_executions") == [("restored",)]
    assert scene.column("total_executions") == 0
    assert miss(scene) == 0


def test_what_is_due_later_waits_on(scene: Scene) -> None:
    scene.add()
    scene.planned()
    scene.start(at=NOW + MINUTE)

    assert miss(scene) == 0
    assert scene.statuses() == ["waiting"]


def test_a_run_that_a_person_asked_for_after_the_restore_stays(scene: Scene) -> None:
    scene.requested()

    assert miss(scene, asked_since=NOON - SECOND) == 0
    assert miss(scene, asked_since=NOON + SECOND) == 1


def test_every_task_can_be_seen_anew_and_passed_over_invalid_ones_too(scene: Scene) -> None:
    scene.add()
    scene.add("broken")
    scene.planned()
    scene.sql("UPDATE smart_cron_tasks_config SET on_missed = 'never' WHERE task_name = 'broken'")
    scene.planned()
    assert scene.store.restored.unseen() == 0

    scene.store.restored.see_all_anew()

    assert scene.store.restored.unseen() == 2
    with scene.store.database.transaction():
        tasks = scene.store.plans.lock_changed(limit=10)
        plans = [pass_over(task, now=NOW, default_zone="UTC", reason="restored") for task in tasks]
        scene.store.plans.save_plans([each[0] for each in plans], now=NOW)
        scene.store.plans.save_plans([plan for each in plans for plan in each[1:]], now=NOW)
    assert scene.store.restored.unseen() == 0
    assert ranges(scene) == [("missed", NOON, NOW, 11, "restored")] * 2
    assert scene.task("broken").invalid_reason is not None
    assert (scene.task().next_run_at, scene.task().invalid_reason) == (NOW + MINUTE, None)


# The node -----------------------------------------------------------------------------------------------------


def test_a_node_whose_heartbeats_are_remembered_may_take_part_again(scene: Scene) -> None:
    scene.store.nodes.register(ONE, beaten=0, silence=timedelta(seconds=30))
    with pytest.raises(RestoredDatabaseError):
        scene.store.nodes.register(ONE, beaten=9, silence=timedelta(seconds=30))

    scene.store.restored.remember_beats(ONE, 9)

    assert scene.store.nodes.register(ONE, beaten=9, silence=timedelta(seconds=30)) == 10
    scene.store.restored.remember_beats(ONE, 3)
    assert scene.store.nodes.nodes()[0].heartbeats == 10


def test_a_node_that_the_database_never_met_is_entered_as_one_that_stopped(scene: Scene) -> None:
    scene.ran()

    scene.store.restored.remember_beats(ONE, 9)

    (record,) = scene.store.nodes.nodes()
    silence = timedelta(seconds=30)
    assert (record.heartbeats, record.identity) == (9, "a1")
    assert record.state(now=scene.store.database.now(), silence=silence) is NodeState.STOPPED
    assert scene.store.nodes.register(ONE, beaten=9, silence=silence) == 10


# Incidents ----------------------------------------------------------------------------------------------------


def open_alerts(scene: Scene) -> list[str]:
    rows = scene.store.session.rows("SELECT alert_type FROM smart_cron_alerts WHERE resolved = 0 ORDER BY id")
    return [row[0] for row in rows]


def failing(scene: Scene, name: str = "report") -> None:
    scene.ran(name, **THREE_IN_A_ROW)


def test_consecutive_failures_set_to_0_by_sql_resolve_their_open_alert(scene: Scene) -> None:
    failing(scene)
    failing(scene, "other")
    assert scene.store.incidents.resolve_recovered() == []

    scene.sql("UPDATE smart_cron_tasks_config SET consecutive_failures = 0 WHERE task_name = 'report'")

    assert scene.store.incidents.resolve_recovered() == ["report"]
    assert open_alerts(scene) == ["consecutive_failures"]
    (resolved_at,) = scene.store.session.rows("SELECT resolved_at FROM smart_cron_alerts WHERE resolved = 1")
    assert resolved_at[0] is not None
    assert scene.store.incidents.resolve_recovered() == []


def test_other_alerts_of_the_task_stay_open(scene: Scene) -> None:
    scene.ran(**FAILED)
    scene.sql("UPDATE smart_cron_tasks_config SET consecutive_failures = 0")

    assert scene.store.incidents.resolve_recovered() == []
    assert open_alerts(scene) == ["task_failure"]


def test_all_counts_are_set_to_0_with_an_audit_row_each(scene: Scene) -> None:
    failing(scene)
    failing(scene)
    failing(scene, "other")
    assert scene.store.incidents.failing() == 2

    assert scene.store.incidents.reset_failures(actor="ann") == 2

    assert (scene.store.incidents.failing(), open_alerts(scene)) == (0, [])
    rows = scene.store.session.rows(
        "SELECT actor, entity_name, old_values FROM smart_cron_audit_log WHERE action = 'reset failures' ORDER BY id"
    )
    assert rows == [("ann", "report", '{"consecutive_failures": 2}'), ("ann", "other", '{"consecutive_failures": 1}')]
    assert scene.store.incidents.reset_failures(actor="ann") == 0
