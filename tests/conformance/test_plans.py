"""The port `PlanStore`, on every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.conformance.scene import MINUTE, NOON, SECOND, Scene

from smart_cron.core.errors import UnknownTaskError
from smart_cron.core.run import PlannedStart, SlotOutcome, SlotRange, Status
from smart_cron.core.task import OnMissed, OnOverlap


def test_a_new_task_counts_as_changed_until_it_is_planned(scene: Scene) -> None:
    scene.add()

    assert scene.column("needs_planning") == 1
    scene.planned()
    assert scene.column("needs_planning") == 0
    assert scene.store.plans.lock_changed(limit=10) == []


def test_a_planned_task_is_due_at_its_slot_and_not_before(scene: Scene) -> None:
    scene.add()
    scene.planned()

    assert scene.store.plans.next_due_at() == NOON
    assert scene.due(NOON - timedelta(microseconds=1)) == []
    assert [task.name for task in scene.due(NOON)] == ["report"]


def test_what_is_due_comes_earliest_first_and_no_more_than_asked_for(scene: Scene) -> None:
    for name, minutes in (("late", 3), ("early", 1), ("middle", 2)):
        scene.add(name)
        scene.planned(next_run_at=NOON + minutes * MINUTE)

    with scene.store.database.transaction():
        due = scene.store.plans.lock_due(now=NOON + 5 * MINUTE, limit=2)

    assert [task.name for task in due] == ["early", "middle"]


def test_a_due_task_says_what_was_seen_of_it(scene: Scene) -> None:
    scene.add(
        time_zone="Europe/Berlin",
        on_missed=OnMissed.ALL,
        on_overlap=OnOverlap.QUEUE,
        start_deadline=MINUTE,
        group="db",
        priority=2,
    )
    scene.planned()

    (task,) = scene.due()

    assert (task.schedule, task.planned_schedule, task.planned_zone) == ("* * * * *", "* * * * *", "Europe/Berlin")
    assert (task.on_missed, task.on_overlap, task.start_deadline_seconds) == (OnMissed.ALL, OnOverlap.QUEUE, 60)
    assert (task.group, task.priority, task.planned_enabled, task.enabled) == ("db", 2, True, True)
    assert (task.next_run_at, task.planned_next_run_at, task.accounted_until) == (NOON, NOON, NOON - MINUTE)


def test_microseconds_survive(scene: Scene) -> None:
    instant = NOON + timedelta(microseconds=1)
    scene.add()
    scene.planned(next_run_at=instant)

    assert scene.due(NOON) == []
    assert scene.due(instant)[0].next_run_at == instant


@pytest.mark.parametrize(
    "edit",
    [
        "schedule_pattern = '*/5 * * * *'",
        "enabled = 0",
        "time_zone = 'Asia/Tokyo'",
        "next_run_at = '2026-03-01 13:00:00'",
        "next_run_at = NULL",
        "on_missed = 'all'",
        "on_overlap = 'allow'",
        "start_deadline_seconds = 5",
        "timeout_seconds = 7",
        "priority = 1",
    ],
)
def test_an_edit_by_sql_is_noticed(scene: Scene, edit: str) -> None:
    scene.add()
    scene.planned()
    scene.sql(f"UPDATE smart_cron_tasks_config SET {edit}")

    (task,) = scene.store.plans.lock_changed(limit=10)

    assert task.planned_schedule == "* * * * *"
    scene.planned()
    assert scene.store.plans.lock_changed(limit=10) == []


@pytest.mark.parametrize("edit", ["task_description = 'x'", "max_retries = 3", "consecutive_failures = 0"])
def test_an_edit_that_moves_no_slot_costs_no_planning(scene: Scene, edit: str) -> None:
    scene.add()
    scene.planned()
    scene.sql(f"UPDATE smart_cron_tasks_config SET {edit}")

    assert scene.store.plans.lock_changed(limit=10) == []


def test_a_pattern_that_differs_in_case_alone_is_noticed(scene: Scene) -> None:
    scene.add(schedule="0 0 * * mon")
    scene.planned()
    scene.sql("UPDATE smart_cron_tasks_config SET schedule_pattern = '0 0 * * MON'")

    assert len(scene.store.plans.lock_changed(limit=10)) == 1


def test_a_disabled_task_without_a_next_slot_is_at_rest(scene: Scene) -> None:
    scene.add(enabled=False)
    scene.planned()
    scene.sql("UPDATE smart_cron_tasks_config SET next_run_at = '2026-03-01 13:00:00'")

    assert scene.store.plans.lock_changed(limit=10) == []
    assert scene.due(NOON + 100 * MINUTE) == []


def test_slots_become_waiting_executions_once(scene: Scene) -> None:
    scene.add(priority=3, group="db")
    scene.planned()

    assert scene.start() == 1
    assert scene.start() == 0
    (run,) = scene.store.history.runs()
    assert (run["status"], run["scheduled_for"], run["due_at"], run["attempt"]) == ("waiting", NOON, NOON, 1)
    assert (run["priority"], run["task_group"], run["triggered_by"]) == (3, "db", "cron")
    assert scene.task().next_run_at == NOON + MINUTE


def test_a_slot_that_has_an_execution_keeps_no_other_from_being_saved(scene: Scene) -> None:
    scene.add()
    scene.planned()
    scene.start()
    slots = (NOON, NOON + MINUTE)
    starts = tuple(PlannedStart(scheduled_for=slot, status=Status.QUEUED, start_before=None) for slot in slots)

    assert scene.start(starts=starts) == 1
    assert scene.statuses() == ["waiting", "queued"]


def test_ranges_that_did_not_run_are_kept_and_found(scene: Scene) -> None:
    task = scene.add()
    scene.planned()
    gap = SlotRange(first=NOON - 9 * MINUTE, last=NOON, count=10, outcome=SlotOutcome.MISSED, reason="nobody was there")
    scene.start(not_run=(gap,), starts=())

    assert scene.store.history.not_run(task_id=task.id) == [gap]
    inside, outside = NOON - 5 * MINUTE, NOON + MINUTE
    assert scene.store.plans.has_outcome([(task.id, inside), (task.id, outside)]) == {(task.id, inside)}


def test_an_execution_is_an_outcome(scene: Scene) -> None:
    task = scene.add()
    scene.planned()
    scene.start()

    assert scene.store.plans.has_outcome([(task.id, NOON), (task.id + 1, NOON)]) == {(task.id, NOON)}


def test_ranges_in_the_future_are_withdrawn_when_the_clock_stepped_back(scene: Scene) -> None:
    task = scene.add()
    scene.planned()
    gap = SlotRange(first=NOON + MINUTE, last=NOON + 9 * MINUTE, count=9, outcome=SlotOutcome.MISSED, reason="x")
    scene.start(not_run=(gap,), starts=(), accounted_until=NOON + 10 * MINUTE)
    scene.start(starts=(), accounted_until=NOON)

    assert scene.store.history.not_run(task_id=task.id) == []


def test_a_due_task_names_what_is_under_way(scene: Scene) -> None:
    scene.add()
    scene.planned()
    scene.start()
    scene.start(at=NOON + MINUTE, status=Status.QUEUED)

    (task,) = scene.due(NOON + 9 * MINUTE)

    assert len(task.active_execution_ids) == 2
    assert task.active_execution_ids[0] < task.active_execution_ids[1]
    assert task.queued


def test_an_invalid_task_is_left_alone_until_it_is_edited(scene: Scene) -> None:
    scene.add()
    scene.planned()
    scene.sql("UPDATE smart_cron_tasks_config SET schedule_pattern = 'nonsense'")
    with scene.store.database.transaction():
        (task,) = scene.store.plans.lock_changed(limit=10)
        scene.store.plans.save_plans([scene.plan(task, invalid_reason="'nonsense' is no pattern")], now=NOON)

    assert scene.store.plans.lock_changed(limit=10) == []
    assert scene.due(NOON + MINUTE) == []
    assert scene.store.plans.next_due_at() is None
    assert scene.task().invalid_reason == "'nonsense' is no pattern"
    assert scene.task().next_run_at == NOON
    scene.sql("UPDATE smart_cron_tasks_config SET schedule_pattern = '5 * * * *'")
    scene.planned()
    assert scene.task().invalid_reason is None
    assert len(scene.due(NOON + MINUTE)) == 1


def test_an_invalid_task_in_a_batch_harms_no_other(scene: Scene) -> None:
    scene.add("bad")
    scene.add("good")
    with scene.store.database.transaction():
        bad, good = scene.store.plans.lock_changed(limit=10)
        plans = [scene.plan(good, next_run_at=NOON), scene.plan(bad, invalid_reason="x")]
        scene.store.plans.save_plans(plans, now=NOON)

    assert [task.name for task in scene.due()] == ["good"]


def test_a_task_without_a_zone_is_planned_anew_when_the_default_zone_changes(scene: Scene) -> None:
    scene.add("own", time_zone="Asia/Tokyo")
    scene.add("default")
    scene.planned()
    scene.store.plans.forget_default_zone("UTC")
    assert scene.store.plans.lock_changed(limit=10) == []

    scene.store.plans.forget_default_zone("Europe/Berlin")

    (task,) = scene.store.plans.lock_changed(limit=10)
    assert (task.name, task.planned_zone) == ("default", "UTC")


def test_taking_a_tasks_own_zone_away_is_noticed(scene: Scene) -> None:
    scene.add(time_zone="Asia/Tokyo")
    scene.planned()
    scene.sql("UPDATE smart_cron_tasks_config SET time_zone = NULL")

    assert [task.planned_zone for task in scene.store.plans.lock_changed(limit=10)] == ["Asia/Tokyo"]


def test_replacing_asks_held_runs_to_end_and_ends_those_that_have_not_started(scene: Scene) -> None:
    scene.add(on_overlap=OnOverlap.REPLACE)
    scene.planned()
    scene.start()
    (claim,) = scene.claim()
    scene.start(at=NOON + MINUTE)
    ids = tuple(run["id"] for run in scene.store.history.runs())

    scene.start(at=NOON + 2 * MINUTE, status=Status.QUEUED, cancel_execution_ids=ids)

    assert scene.statuses() == ["claimed", "killed", "queued"]
    assert [run_id for run_id, _ in scene.store.claims.cancellations(node="one")] == [claim.run_id]
    scene.settle([claim])
    assert scene.statuses() == ["success", "killed", "waiting"]


def test_replacing_what_had_not_started_lets_its_successor_go_at_once(scene: Scene) -> None:
    scene.add(on_overlap=OnOverlap.REPLACE)
    scene.planned()
    scene.start()
    (old,) = scene.store.history.runs()

    scene.start(at=NOON + MINUTE, status=Status.QUEUED, cancel_execution_ids=(old["id"],))

    assert scene.statuses() == ["killed", "waiting"]


def test_a_reboot_task_that_was_added_or_edited_since_the_boot_waits_for_the_next(scene: Scene) -> None:
    scene.add(schedule="@reboot")
    scene.planned(next_run_at=None)
    scene.sql("UPDATE smart_cron_tasks_config SET updated_at = '2026-02-03 04:05:06.000000'")

    assert scene.store.plans.lock_reboot(slot=datetime(2026, 2, 3, 4, 5, 5, tzinfo=UTC)) == []
    assert len(scene.store.plans.lock_reboot(slot=datetime(2026, 2, 3, 4, 5, 7, tzinfo=UTC))) == 1


def test_reboot_tasks_are_found_until_they_ran_for_this_boot(scene: Scene) -> None:
    scene.add(schedule="@reboot")
    scene.sql("UPDATE smart_cron_tasks_config SET updated_at = '2026-01-01 00:00:00.000000'")
    scene.add("other")
    scene.planned(next_run_at=None)

    with scene.store.database.transaction():
        (task,) = scene.store.plans.lock_reboot(slot=NOON)
        starts = (PlannedStart(scheduled_for=NOON, status=Status.WAITING, start_before=None),)
        scene.store.plans.save_plans([scene.plan(task, starts=starts, next_run_at=None)], now=NOON)

    assert scene.store.plans.lock_reboot(slot=NOON) == []
    assert len(scene.store.plans.lock_reboot(slot=NOON + SECOND)) == 1


def test_the_start_deadline_of_a_slot_reaches_the_claim(scene: Scene) -> None:
    scene.add()
    scene.planned()
    scene.start(starts=(PlannedStart(scheduled_for=NOON, status=Status.WAITING, start_before=NOON + SECOND),))

    with scene.store.database.transaction():
        (run,) = scene.store.claims.lock_waiting(limit=5)

    assert run.start_before == NOON + SECOND


def test_what_was_planned_of_the_future_counts_as_changed_when_the_clock_was_set_back(scene: Scene) -> None:
    for name in ("ahead", "broken", "behind"):
        scene.add(name)
    scene.planned()
    scene.sql("UPDATE smart_cron_tasks_config SET accounted_until = '2026-03-01 13:00:00' WHERE task_name <> 'behind'")
    scene.sql("UPDATE smart_cron_tasks_config SET invalid_reason = 'x' WHERE task_name = 'broken'")

    assert scene.store.plans.forget_future(now=NOON, beyond=NOON + MINUTE) == 1

    assert [task.name for task in scene.store.plans.lock_changed(limit=10)] == ["ahead"]


def test_retries_made_in_the_future_wait_their_delay_from_now(scene: Scene) -> None:
    scene.add()
    scene.planned()
    scene.start(next_run_at=None)
    scene.settle(scene.claim(), status=Status.FAILED, success=False, retry_at=NOON + 6 * MINUTE)

    scene.store.plans.forget_future(now=NOON - 60 * MINUTE, beyond=NOON + 2 * MINUTE)
    assert scene.store.plans.next_due_at() == NOON + 6 * MINUTE
    scene.store.plans.forget_future(now=NOON - 60 * MINUTE, beyond=NOON)

    # It was made at 12:01.
    assert scene.store.plans.next_due_at() == NOON - 55 * MINUTE


def test_a_range_that_reaches_into_the_future_keeps_its_head_when_the_clock_was_set_back(scene: Scene) -> None:
    task = scene.add()
    scene.planned()
    gap = SlotRange(first=NOON, last=NOON + 9 * MINUTE, count=10, outcome=SlotOutcome.MISSED, reason="x")
    scene.start(not_run=(gap,), starts=(), accounted_until=NOON + 10 * MINUTE)

    scene.start(starts=(), accounted_until=NOON + 3 * MINUTE + SECOND)

    [kept] = scene.store.history.not_run(task_id=task.id)
    assert (kept.first, kept.last, kept.count) == (NOON, NOON + 3 * MINUTE, 4)


def test_a_range_whose_pattern_cannot_be_read_any_more_keeps_its_first_slot(scene: Scene) -> None:
    task = scene.add()
    scene.planned()
    gap = SlotRange(first=NOON, last=NOON + 9 * MINUTE, count=10, outcome=SlotOutcome.MISSED, reason="x")
    scene.start(not_run=(gap,), starts=(), accounted_until=NOON + 10 * MINUTE)
    scene.sql("UPDATE smart_cron_skipped_slots SET time_zone = 'Nowhere/Gone'")

    scene.start(starts=(), accounted_until=NOON + 3 * MINUTE)

    [kept] = scene.store.history.not_run(task_id=task.id)
    assert (kept.first, kept.last, kept.count) == (NOON, NOON, 1)


def test_slots_that_ran_are_found_by_task_and_span(scene: Scene) -> None:
    one, two = scene.add("one"), scene.add("two")
    scene.planned()
    scene.start("one")
    scene.start("two", at=NOON + MINUTE)
    found = scene.store.plans.started_among

    assert found([(one.id, NOON - MINUTE, NOON), (two.id, NOON - MINUTE, NOON)]) == {(one.id, NOON)}
    assert found([(one.id, NOON, NOON + MINUTE), (two.id, NOON, NOON + MINUTE)]) == {(two.id, NOON + MINUTE)}


def test_an_outcome_is_found_among_more_slots_than_one_statement_asks_for(scene: Scene) -> None:
    task = scene.add()
    scene.planned()
    gap = SlotRange(
        first=NOON + 150 * MINUTE, last=NOON + 160 * MINUTE, count=11, outcome=SlotOutcome.MISSED, reason="x"
    )
    scene.start(not_run=(gap,))
    asked = [(task.id, NOON + number * MINUTE) for number in range(200)]

    found = scene.store.plans.has_outcome(asked)

    assert found == {(task.id, NOON)} | {(task.id, NOON + number * MINUTE) for number in range(150, 161)}


def test_a_slot_set_by_hand_is_the_next_and_its_setting_is_audited(scene: Scene) -> None:
    task = scene.add()
    scene.planned(next_run_at=NOON + 60 * MINUTE)
    wanted = NOON + timedelta(minutes=7, microseconds=5)

    scene.store.tasks.set_next_run(task.id, wanted, actor="ada")

    (changed,) = scene.store.plans.lock_changed(limit=10)
    assert (changed.next_run_at, changed.planned_next_run_at) == (wanted, NOON + 60 * MINUTE)
    assert scene.store.plans.next_due_at() == wanted
    [(actor, entity)] = scene.store.session.rows(
        "SELECT actor, entity_name FROM smart_cron_audit_log ORDER BY id DESC LIMIT 1"
    )
    assert (actor, entity) == ("ada", "report")


def test_setting_the_next_slot_of_a_task_that_is_gone_is_refused(scene: Scene) -> None:
    with pytest.raises(UnknownTaskError):
        scene.store.tasks.set_next_run(999_999, NOON, actor="ada")
