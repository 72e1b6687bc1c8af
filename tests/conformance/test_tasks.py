"""The ports `TaskStore` and `HistoryStore`, on every database."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from tests.conformance.scene import FAILED, MINUTE, NOON, SECOND, Scene, definition

from smart_cron.core.errors import TaskBusyError, TaskExistsError, UnknownRunError, UnknownTaskError
from smart_cron.core.run import ErrorType, Status
from smart_cron.core.task import Limits, OnMissed, OnOverlap, Sandbox, TaskDefinition

FULL = TaskDefinition(
    name="Full-1",
    shell_command="echo 'ü' | cat",
    arguments=("--x", "a b", "é"),
    stdin_text="line\n",
    schedule="*/5 * * * mon-fri",
    time_zone="Europe/Berlin",
    description="Ünïcode 💥",
    priority=1,
    timeout=timedelta(seconds=61),
    kill_grace=timedelta(seconds=1),
    enabled=False,
    on_missed=OnMissed.HOLD,
    on_overlap=OnOverlap.REPLACE,
    start_deadline=timedelta(seconds=9),
    max_retries=3,
    retry_delay=timedelta(seconds=5),
    retry_lost=True,
    failure_threshold=2,
    success_exit_codes=(0, 3),
    group="db",
    node_tag="gpu",
    run_as="www-data",
    working_directory="/tmp",
    umask="027",
    environment={"A": "ö", "B": ""},
    limits=Limits(memory_mb=1, cpu_seconds=2, open_files=3, processes=4, output_bytes=5_000_000_000, nice=-5),
    sandbox=Sandbox.STRICT,
    sandbox_network=False,
    keep_processes=True,
    merge_output=True,
    alert_on_failure=False,
    alert_email="a@example.org",
    alert_slack_webhook="https://hooks.example.org/x",
    origin="crontab:/etc/crontab:7",
)


def test_a_definition_comes_back_as_it_was_given(scene: Scene) -> None:
    task = scene.store.tasks.add(FULL, actor="ann")

    assert task.definition == FULL
    assert scene.store.tasks.get("Full-1") == task
    assert scene.store.tasks.get(str(task.id)) == task


def test_a_name_is_taken_once_and_its_case_counts(scene: Scene) -> None:
    scene.add("report")
    scene.add("Report")

    with pytest.raises(TaskExistsError):
        scene.add("report")
    assert {task.name for task in scene.store.tasks.list()} == {"Report", "report"}


@pytest.mark.parametrize("name", ["nobody", "12345678", "99999999999999999999", "١", "' OR 1=1 --"])
def test_an_unknown_task_is_said_to_be_unknown(scene: Scene, name: str) -> None:
    scene.add()

    with pytest.raises(UnknownTaskError):
        scene.store.tasks.get(name)


def test_a_name_of_digits_goes_before_a_number(scene: Scene) -> None:
    first = scene.add("first")
    named = scene.add(str(first.id))

    assert scene.store.tasks.get(str(first.id)) == named


def test_tasks_are_listed_by_name_state_and_group(scene: Scene) -> None:
    scene.add("b", group="x")
    scene.add("a", enabled=False)

    assert [task.name for task in scene.store.tasks.list()] == ["a", "b"]
    assert [task.name for task in scene.store.tasks.list(enabled=True)] == ["b"]
    assert [task.name for task in scene.store.tasks.list(enabled=False)] == ["a"]
    assert [task.name for task in scene.store.tasks.list(group="x")] == ["b"]


def test_due_tasks_are_read_by_priority_and_left_as_they_are(scene: Scene) -> None:
    scene.add("low", priority=9)
    scene.add("high", priority=1)
    scene.add("off", enabled=False)
    scene.planned()

    assert [task.name for task in scene.store.tasks.due(now=NOON, limit=5)] == ["high", "low"]
    assert scene.store.tasks.due(now=NOON - SECOND, limit=5) == []
    assert scene.statuses() == []


def test_every_change_leaves_an_audit_row_with_before_and_after(scene: Scene) -> None:
    task = scene.add(environment={"PASSWORD": "s3cret"})
    scene.store.tasks.replace(task.id, definition(schedule="0 5 * * *", environment={"PASSWORD": "other"}), actor="bob")
    scene.store.tasks.set_enabled(task.id, False, actor="bob")
    scene.store.tasks.set_enabled(task.id, True, actor="bob")
    number = scene.store.tasks.request_run(task.id, arguments=["-v"], actor="cli:eve", now=NOON)
    scene.store.history.request_cancel(number, reason=ErrorType.CANCELLED, actor="eve", now=NOON)
    scene.store.tasks.remove(task.id, actor="eve", now=NOON)

    rows = scene.store.session.rows(
        "SELECT actor, action, entity_type, entity_name, old_values, new_values FROM smart_cron_audit_log ORDER BY id"
    )
    actions = [row[1] for row in rows]
    assert actions == ["create", "update", "disable", "enable", "run", "cancel", "delete"]
    assert {row[3] for row in rows} == {"report"}
    assert json.loads(rows[1][4]) == {"schedule_pattern": "* * * * *", "environment": "(hidden)"}
    assert json.loads(rows[1][5]) == {"schedule_pattern": "0 5 * * *", "environment": "(hidden)"}
    assert json.loads(rows[2][5]) == {"enabled": 0}
    assert json.loads(rows[6][4])["task_script"] == "/bin/true"
    assert "s3cret" not in str(rows)


def test_a_change_that_fails_leaves_no_audit_row(scene: Scene) -> None:
    scene.add("taken")
    task = scene.add("report")

    with pytest.raises(TaskExistsError):
        scene.store.tasks.replace(task.id, definition("taken"), actor="bob")
    assert scene.count("smart_cron_audit_log") == 2


def test_editing_an_invalid_task_has_it_planned_anew(scene: Scene) -> None:
    task = scene.add()
    with scene.store.database.transaction():
        (due,) = scene.store.plans.lock_changed(limit=5)
        scene.store.plans.save_plans([scene.plan(due, invalid_reason="its script vanished")], now=NOON)
    scene.store.tasks.replace(task.id, definition(description="mended"), actor="bob")

    assert len(scene.store.plans.lock_changed(limit=5)) == 1


def test_changes_to_a_task_that_is_gone_are_refused(scene: Scene) -> None:
    with pytest.raises(UnknownTaskError):
        scene.store.tasks.replace(4711, definition(), actor="x")
    with pytest.raises(UnknownTaskError):
        scene.store.tasks.set_enabled(4711, True, actor="x")
    with pytest.raises(UnknownTaskError):
        scene.store.tasks.remove(4711, actor="x", now=NOON)
    with pytest.raises(UnknownTaskError):
        scene.store.tasks.request_run(4711, arguments=None, actor="x", now=NOON)


def test_removing_a_task_keeps_its_history_and_ends_what_waits(scene: Scene) -> None:
    scene.add(on_overlap=OnOverlap.QUEUE)
    scene.ran()
    scene.requested()
    claims = scene.claim()
    scene.requested()
    scene.store.tasks.remove(scene.task().id, actor="ann", now=NOON)

    assert scene.statuses() == ["success", "claimed", "skipped"]
    scene.settle(claims)
    assert scene.statuses() == ["success", "success", "skipped"]


def test_a_busy_task_refuses_a_manual_run_where_its_policy_is_to_skip(scene: Scene) -> None:
    scene.requested()

    with pytest.raises(TaskBusyError, match="busy"):
        scene.requested()


def test_one_manual_run_may_stand_in_line(scene: Scene) -> None:
    scene.add(on_overlap=OnOverlap.QUEUE)
    scene.requested()
    scene.requested()

    with pytest.raises(TaskBusyError, match="in line"):
        scene.requested()
    assert scene.statuses() == ["waiting", "queued"]


def test_a_manual_run_replaces_what_runs_where_its_policy_says_so(scene: Scene) -> None:
    scene.add(on_overlap=OnOverlap.REPLACE)
    scene.requested()
    claims = scene.claim()
    scene.requested()

    assert scene.store.claims.cancellations(node="one") == [(claims[0].run_id, ErrorType.REPLACED)]
    scene.settle(claims, status=Status.KILLED, success=False)
    assert scene.statuses() == ["killed", "waiting"]


def test_a_rerun_takes_the_arguments_of_the_run_it_repeats(scene: Scene) -> None:
    task = scene.add()
    first = scene.store.tasks.request_run(task.id, arguments=["once"], actor="ann", now=NOON)
    scene.settle(scene.claim(), **FAILED)

    scene.store.tasks.request_run(task.id, arguments=None, actor="ann", now=NOON, retry_of=first)

    (claim,) = scene.claim()
    assert claim.task.arguments == ("once",)
    assert scene.execution(claim.execution_id)["reason"] == f"rerun of run {first}"
    with pytest.raises(UnknownRunError):
        scene.store.tasks.request_run(task.id, arguments=None, actor="ann", now=NOON, retry_of=4711)


def test_a_run_is_found_by_number_and_by_run_id(scene: Scene) -> None:
    number = scene.ran(stdout_copy="hello")
    row = scene.execution(number)

    assert row["stdout_output"] == "hello"
    assert scene.store.history.run(row["run_id"]) == row
    for unknown in ("4711", "no-such-run", "9" * 30, ""):
        with pytest.raises(UnknownRunError):
            scene.store.history.run(unknown)


def test_history_pages_go_on_where_they_ended(scene: Scene) -> None:
    numbers = [scene.ran() for _ in range(5)]

    first = scene.store.history.runs(limit=2)
    second = scene.store.history.runs(limit=2, before_id=first[-1]["id"])

    assert [row["id"] for row in first + second] == numbers[:0:-1]
    assert "stdout_output" not in first[0]
    assert [row["id"] for row in scene.store.history.since(after_id=numbers[2], limit=9)] == numbers[3:]


def test_history_is_read_by_task_and_by_status(scene: Scene) -> None:
    won, failed = scene.ran("a"), scene.ran("b", **FAILED)
    delayed = scene.ran("b", status=Status.TIMEOUT, success=False, retry_at=NOON + MINUTE) + 1
    waiting = scene.requested("c")
    runs = scene.store.history.runs

    assert [row["id"] for row in runs(task_id=scene.task("b").id)] == [delayed, delayed - 1, failed]
    assert [row["id"] for row in runs(statuses=[Status.SUCCESS])] == [won]
    assert [row["id"] for row in runs(statuses=[Status.FAILED, Status.TIMEOUT])] == [delayed - 1, failed]
    assert [row["id"] for row in runs(statuses=[Status.WAITING, Status.DELAYED])] == [waiting, delayed]
    assert [row["id"] for row in runs(statuses=[Status.WAITING, Status.DELAYED], limit=1)] == [waiting]
    assert runs(statuses=[]) == []
    assert [row["id"] for row in runs(task_id=scene.task("b").id, statuses=[Status.FAILED])] == [failed]
    assert [row["id"] for row in runs(statuses=list(Status))] == [waiting, delayed, delayed - 1, failed, won]


def test_a_run_that_has_not_started_ends_at_once_when_asked_to(scene: Scene) -> None:
    scene.add(on_overlap=OnOverlap.QUEUE)
    first, second = scene.requested(), scene.requested()

    assert scene.store.history.request_cancel(first, reason=ErrorType.CANCELLED, actor="ann", now=NOON)
    row = scene.execution(first)
    assert (row["status"], row["error_type"], row["completed_at"]) == ("killed", "cancelled", NOON)
    assert scene.execution(second)["status"] == "waiting"
    assert scene.task().total_executions == 0


def test_a_final_run_cannot_be_ended(scene: Scene) -> None:
    number = scene.ran()

    assert not scene.store.history.request_cancel(number, reason=ErrorType.CANCELLED, actor="ann", now=NOON)
    assert scene.execution(number)["cancel_reason"] is None
    with pytest.raises(UnknownRunError):
        scene.store.history.request_cancel(4711, reason=ErrorType.CANCELLED, actor="ann", now=NOON)


def test_the_first_wish_to_end_a_run_is_the_one_that_counts(scene: Scene) -> None:
    number = scene.requested()
    scene.claim()
    for reason in (ErrorType.REPLACED, ErrorType.CANCELLED):
        assert scene.store.history.request_cancel(number, reason=reason, actor="ann", now=NOON)

    assert scene.execution(number)["cancel_reason"] == "replaced"
