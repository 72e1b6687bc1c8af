"""The port `ClaimStore`, on every database."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.scene import INCARNATION, MINUTE, NOON, SECOND, Scene

from smart_cron.core.run import ErrorType, PlannedStart, Status, Trigger


def test_a_claim_says_all_that_a_start_needs(scene: Scene) -> None:
    scene.add(arguments=("-v", "a b"), environment={"A": "1"}, priority=2, shell_command=None)
    scene.planned()
    scene.start()

    (claim,) = scene.claim()

    assert (claim.task, claim.fault) == (scene.task().definition, None)
    assert (claim.scheduled_for, claim.attempt, claim.triggered_by) == (NOON, 1, Trigger.CRON)
    assert (claim.node, claim.incarnation, claim.launch_deadline) == ("one", INCARNATION, 1000.5)
    assert claim.claimed_at == NOON
    assert scene.task().is_running
    assert scene.column("running_execution_id") == claim.execution_id
    assert scene.execution(claim.execution_id)["run_id"] == claim.run_id


def test_priority_goes_first_then_the_older_slot_then_the_lower_number(scene: Scene) -> None:
    for name, priority in (("low", 10), ("middle", 5), ("high", 1)):
        scene.add(name, priority=priority)
    scene.planned()
    for minute in (1, 0):
        scene.start(at=NOON + minute * MINUTE)

    claims = scene.claim()

    order = [(claim.task.name, claim.scheduled_for) for claim in claims]
    slots = (NOON, NOON + MINUTE)
    assert order == [(name, slot) for name in ("high", "middle", "low") for slot in slots]


def test_no_more_is_locked_than_there_are_free_places(scene: Scene) -> None:
    for number in range(5):
        scene.add(f"task{number}")
    scene.planned()
    scene.start()

    assert len(scene.claim(3)) == 3
    assert scene.statuses().count("claimed") == 3


def test_nothing_is_claimed_twice(scene: Scene) -> None:
    scene.requested()
    (claim,) = scene.claim()

    assert scene.claim() == []
    with scene.store.database.transaction():
        again = scene.store.claims.claim(
            [(claim.execution_id, scene.run_id())], node="two", incarnation="x", launch_deadline=1.0, now=NOON
        )
    assert again == []
    assert scene.execution(claim.execution_id)["node"] == "one"


def test_only_the_execution_asked_for_is_locked(scene: Scene) -> None:
    scene.requested("first")
    wanted = scene.requested("second")

    with scene.store.database.transaction():
        runs = scene.store.claims.lock_waiting(limit=5, only=wanted)

    assert [run.execution_id for run in runs] == [wanted]


@pytest.mark.parametrize(("tags", "count"), [((), 0), (("cpu",), 0), (("cpu", "gpu"), 1)])
def test_one_that_is_bound_to_a_tag_is_not_taken_elsewhere_either(
    scene: Scene, tags: tuple[str, ...], count: int
) -> None:
    scene.add("bound", node_tag="gpu")
    wanted = scene.requested("bound")

    with scene.store.database.transaction():
        assert len(scene.store.claims.lock_waiting(limit=5, only=wanted, tags=tags)) == count


def test_a_claim_can_be_read_again_as_it_was_given(scene: Scene) -> None:
    scene.requested()
    (claim,) = scene.claim()

    key = (claim.execution_id, claim.run_id)
    assert scene.store.claims.reclaim([key, (claim.execution_id, "other")]) == [claim]
    scene.store.records.mark_running([(*key, NOON)])
    assert scene.store.claims.reclaim([key]) == []


def test_a_manual_run_has_its_own_arguments(scene: Scene) -> None:
    task = scene.add(arguments=("usual",))
    scene.store.tasks.request_run(task.id, arguments=["özel", "b"], actor="ann", now=NOON)

    (claim,) = scene.claim()

    assert claim.task.arguments == ("özel", "b")
    assert (claim.triggered_by, claim.scheduled_for) == (Trigger.MANUAL, None)


def test_runs_of_a_full_group_are_set_aside_and_go_on_best_priority_first(scene: Scene) -> None:
    for name, priority in (("runs", 5), ("later", 7), ("sooner", 2)):
        scene.add(name, group="db", priority=priority)
    scene.planned()
    scene.start("runs")
    claims = scene.claim()
    scene.start("later", "sooner")
    with scene.store.database.transaction():
        assert scene.store.claims.group_usage(["db", "other"]) == {"db": 1, "other": 0}
        waiting = scene.store.claims.lock_waiting(limit=5)
        scene.store.claims.block([run.execution_id for run in waiting])

    assert scene.claim() == []
    scene.settle(claims)

    assert [claim.task.name for claim in scene.claim()] == ["sooner"]
    assert scene.statuses().count("blocked") == 1


def test_blocked_runs_of_other_groups_stay_blocked(scene: Scene) -> None:
    scene.add("runs", group="a")
    scene.add("other", group="b")
    scene.planned()
    scene.start("runs")
    claims = scene.claim()
    scene.start("other")
    with scene.store.database.transaction():
        scene.store.claims.block([run.execution_id for run in scene.store.claims.lock_waiting(limit=5)])

    scene.settle(claims)

    assert scene.claim() == []


def test_what_waited_too_long_is_missed_and_lets_its_successor_go(scene: Scene) -> None:
    scene.add()
    scene.planned()
    scene.start()
    scene.start(at=NOON + MINUTE, status=Status.QUEUED)
    with scene.store.database.transaction():
        (run,) = scene.store.claims.lock_waiting(limit=5)
        scene.store.claims.expire([run.execution_id], reason="too late", now=NOON + SECOND)

    assert scene.statuses() == ["missed", "waiting"]
    row = scene.execution(run.execution_id)
    assert (row["error_message"], row["completed_at"], row["started_at"]) == ("too late", NOON + SECOND, None)
    assert scene.task().total_executions == 0


def test_a_run_whose_task_was_deleted_by_sql_is_skipped(scene: Scene) -> None:
    number = scene.requested()
    scene.sql("DELETE FROM smart_cron_tasks_config")

    assert scene.claim() == []
    row = scene.execution(number)
    assert row["status"] == "skipped"
    assert "deleted" in row["error_message"]
    assert scene.claim() == []


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        ("task_arguments", "'{oops'", "task_arguments"),
        ("task_arguments", "'[1]'", "task_arguments"),
        ("environment", "'[]'", "environment"),
        ("environment", "'{\"A\": 1}'", "environment"),
        ("success_exit_codes", "'zero'", "success_exit_codes"),
        ("umask", "'abc'", "umask"),
        ("sandbox", "'bunker'", "bunker"),
        ("on_overlap", "'whatever'", "whatever"),
        ("timeout_seconds", "-5", "timeout_seconds"),
        ("task_script", "''", "task_script"),
    ],
)
def test_a_definition_that_cannot_be_read_is_told_and_harms_no_other(
    scene: Scene, column: str, value: str, word: str
) -> None:
    scene.requested("good")
    scene.requested("bad")
    scene.sql(f"UPDATE smart_cron_tasks_config SET {column} = {value} WHERE task_name = 'bad'")

    good, bad = scene.claim()

    assert good.fault is None
    assert bad.fault is not None
    assert word in bad.fault
    assert bad.task.name == "bad"
    assert bad.task.script is None
    assert bad.task.shell_command is None
    assert len(scene.store.tasks.list()) == 2
    assert word in (scene.task("bad").invalid_reason or "")


def test_wishes_to_end_a_run_are_told_to_its_node_alone(scene: Scene) -> None:
    scene.requested()
    (claim,) = scene.claim()
    scene.store.history.request_cancel(claim.execution_id, reason=ErrorType.CANCELLED, actor="ann", now=NOON)

    assert scene.store.claims.cancellations(node="one") == [(claim.run_id, ErrorType.CANCELLED)]
    assert scene.store.claims.cancellations(node="two") == []
    scene.settle([claim])
    assert scene.store.claims.cancellations(node="one") == []


def test_delayed_retries_wait_for_their_time_and_then_for_their_turn(scene: Scene) -> None:
    scene.add()
    scene.planned()
    scene.start(next_run_at=NOON + 9 * MINUTE)
    scene.settle(scene.claim(), status=Status.FAILED, success=False, retry_at=NOON + 5 * MINUTE)

    assert scene.store.plans.next_due_at() == NOON + 5 * MINUTE
    with scene.store.database.transaction():
        assert scene.store.plans.release_delayed(now=NOON + 4 * MINUTE) == 0
        assert scene.store.plans.release_delayed(now=NOON + 5 * MINUTE) == 1
    (claim,) = scene.claim()
    assert (claim.attempt, claim.triggered_by, claim.scheduled_for) == (2, Trigger.RETRY, NOON)
    assert scene.execution(claim.execution_id)["due_at"] == NOON
    assert scene.store.plans.next_due_at() == NOON + 9 * MINUTE


def test_a_retry_of_a_busy_task_stands_in_line(scene: Scene) -> None:
    scene.add()
    scene.planned()
    scene.start()
    scene.settle(scene.claim(), status=Status.FAILED, success=False, retry_at=NOON + MINUTE)
    scene.start(at=NOON + MINUTE)
    claims = scene.claim()
    with scene.store.database.transaction():
        scene.store.plans.release_delayed(now=NOON + MINUTE)

    assert scene.statuses() == ["failed", "queued", "claimed"]
    scene.settle(claims)
    assert scene.statuses() == ["failed", "waiting", "success"]


def test_a_retry_of_a_deleted_task_is_skipped(scene: Scene) -> None:
    scene.ran(status=Status.FAILED, success=False, retry_at=NOON + MINUTE)
    scene.sql("DELETE FROM smart_cron_tasks_config")
    with scene.store.database.transaction():
        scene.store.plans.release_delayed(now=NOON + MINUTE)

    assert scene.statuses() == ["failed", "skipped"]


def test_a_priority_from_nowhere_is_taken_as_the_nearest_there_is(scene: Scene) -> None:
    scene.add()
    scene.planned()
    scene.sql("UPDATE smart_cron_tasks_config SET priority = -100")
    scene.start(starts=(PlannedStart(scheduled_for=NOON, status=Status.WAITING, start_before=None),))

    assert len(scene.claim()) == 1


def start_in_lanes(scene: Scene) -> None:
    """Three tasks, each with an old slot to make up for and one that is due now; one of them bound to a tag."""
    scene.add("urgent", priority=1)
    scene.add("usual", priority=5)
    scene.add("bound", priority=1, node_tag="gpu")
    scene.planned()
    old = PlannedStart(scheduled_for=NOON - 60 * MINUTE, status=Status.WAITING, start_before=None, is_catch_up=True)
    due = PlannedStart(scheduled_for=NOON, status=Status.WAITING, start_before=None)
    scene.start(starts=(old, due))


def waiting_names(scene: Scene, **options: Any) -> list[tuple[str, bool]]:
    with scene.store.database.transaction():
        found = scene.store.claims.lock_waiting(**{"limit": 10, **options})
    rows = scene.store.session.rows("SELECT id, task_name FROM smart_cron_executions")
    names = dict(rows)
    return [(names[run.execution_id], run.is_catch_up) for run in found]


def test_old_slots_take_part_by_their_priority_but_only_as_many_as_may(scene: Scene) -> None:
    start_in_lanes(scene)

    every = [("urgent", True), ("urgent", False), ("usual", True), ("usual", False)]
    assert waiting_names(scene) == every
    assert waiting_names(scene, catch_ups=1) == [every[0], every[1], every[3]]
    assert waiting_names(scene, catch_ups=0) == [every[1], every[3]]
    assert waiting_names(scene, limit=2, catch_ups=9) == every[:2]
    assert scene.store.claims.any_catch_up()


def test_what_is_bound_to_a_tag_starts_only_where_the_tag_is(scene: Scene) -> None:
    start_in_lanes(scene)

    assert ("bound", False) not in waiting_names(scene, tags=("cpu",))
    found = waiting_names(scene, tags=("gpu", "cpu"), catch_ups=0)
    assert sorted(found) == [("bound", False), ("urgent", False), ("usual", False)]
    assert found[-1] == ("usual", False)
    assert ("bound", True) in waiting_names(scene, tags=("gpu",))


def test_while_a_hold_stands_nothing_waits_for_a_place(scene: Scene) -> None:
    start_in_lanes(scene)
    scene.store.holds.hold("stopped", reason="", actor="test")

    assert waiting_names(scene, tags=("gpu",)) == []
    (number,) = scene.store.session.rows("SELECT MIN(id) FROM smart_cron_executions")[0]
    assert waiting_names(scene, only=number) == []

    scene.store.holds.release("stopped", actor="test")
    assert len(waiting_names(scene, tags=("gpu",))) == 6


def test_all_nodes_together_are_counted(scene: Scene) -> None:
    start_in_lanes(scene)
    scene.claim(2, node="one")
    scene.claim(1, node="two")

    with scene.store.database.transaction():
        assert scene.store.claims.lock_total() == 3
