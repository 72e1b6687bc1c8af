"""The port `HeldStore`, on every database: slots that wait for a person."""

from __future__ import annotations

from datetime import datetime

from tests.conformance.scene import MINUTE, NOON, Scene

from smart_cron.core.run import SlotOutcome, SlotRange
from smart_cron.core.task import OnMissed, OnOverlap

SLOTS = [NOON + number * MINUTE for number in range(5)]
NOW = NOON + 10 * MINUTE


def hold(scene: Scene, **changes: object) -> int:
    """A minute task with five held slots; return its number."""
    scene.add(on_missed=OnMissed.HOLD, **changes)
    scene.planned()
    gap = SlotRange(first=SLOTS[0], last=SLOTS[-1], count=5, outcome=SlotOutcome.HELD, reason="missed")
    with scene.store.database.transaction():
        (task,) = scene.store.plans.lock_due(now=NOW, limit=10)
        scene.store.plans.save_plans([scene.plan(task, not_run=(gap,))], now=NOW)
    return task.task_id


def ranges(scene: Scene) -> list[tuple[str, datetime, datetime, int, str]]:
    read = scene.store.session.dialect.read_instant
    rows = scene.store.session.rows(
        """SELECT outcome, first_slot, last_slot, slot_count, reason FROM smart_cron_skipped_slots
         ORDER BY first_slot"""
    )
    return [(row[0], read(row[1]), read(row[2]), row[3], row[4]) for row in rows]


def test_held_slots_are_listed_with_their_task(scene: Scene) -> None:
    task_id = hold(scene)

    (held,) = scene.store.held.held()

    assert (held.task_id, held.range.task, held.range.count) == (task_id, "report", 5)
    assert (held.range.first, held.range.last) == (SLOTS[0], SLOTS[-1])
    assert scene.store.held.held(task_id + 1) == []


def test_one_of_them_is_run_and_the_others_wait_on(scene: Scene) -> None:
    task_id = hold(scene)

    assert scene.store.held.run(task_id, {SLOTS[2]}, actor="ann", now=NOW) == 1

    assert ranges(scene) == [
        ("held", SLOTS[0], SLOTS[1], 2, "missed"),
        ("held", SLOTS[3], SLOTS[4], 2, "missed"),
    ]
    (claim,) = scene.claim()
    assert claim.scheduled_for == SLOTS[2]
    row = scene.execution(claim.execution_id)
    assert (row["triggered_by"], row["requested_by"], row["attempt"]) == ("manual", "ann", 1)


def test_all_of_them_run_one_after_the_other_oldest_first(scene: Scene) -> None:
    task_id = hold(scene)

    assert scene.store.held.run(task_id, set(SLOTS), actor="ann", now=NOW) == 5

    assert ranges(scene) == []
    ran = []
    while claims := scene.claim():
        ran += [claim.scheduled_for for claim in claims]
        scene.settle(claims)
    assert ran == SLOTS


def test_where_overlap_is_allowed_they_may_all_go(scene: Scene) -> None:
    task_id = hold(scene, on_overlap=OnOverlap.ALLOW)

    scene.store.held.run(task_id, set(SLOTS), actor="ann", now=NOW)

    assert scene.statuses() == ["waiting"] * 5


def test_dropped_ones_are_skipped_and_say_by_whom(scene: Scene) -> None:
    task_id = hold(scene)

    assert scene.store.held.drop(task_id, {SLOTS[0], SLOTS[1], NOW}, actor="ann", now=NOW) == 2

    assert ranges(scene) == [
        ("skipped", SLOTS[0], SLOTS[1], 2, "dropped by ann"),
        ("held", SLOTS[2], SLOTS[4], 3, "missed"),
    ]
    assert scene.store.session.rows("SELECT actor, action FROM smart_cron_audit_log WHERE action LIKE '%% held'") == [
        ("ann", "drop held")
    ]


def test_a_slot_is_let_out_once_only(scene: Scene) -> None:
    task_id = hold(scene)
    scene.store.held.run(task_id, {SLOTS[0]}, actor="ann", now=NOW)

    assert scene.store.held.run(task_id, {SLOTS[0]}, actor="bob", now=NOW) == 0
    assert scene.store.held.drop(task_id, {SLOTS[0]}, actor="bob", now=NOW) == 0
