"""What each method of `SmartCronRunner` does, with a real task runner below it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.engine.conftest import Home

from smart_cron import SmartCronLogger, SmartCronRunner
from smart_cron.core.errors import InvalidInputError, TaskBusyError, UnknownTaskError
from smart_cron.core.task import OnOverlap

pytestmark = pytest.mark.slow


@pytest.fixture
def runner(home: Home) -> SmartCronRunner:
    return SmartCronRunner(home.house)


def test_due_tasks_are_read_most_urgent_first_and_nothing_is_claimed(home: Home, runner: SmartCronRunner) -> None:
    for name, priority in (("later", 9), ("first", 1), ("undue", 1)):
        home.add(name, "true", priority=priority)
    home.due("later", "first")
    before = home.sql("SELECT * FROM smart_cron_tasks_config")

    due = runner.get_due_tasks()

    assert [task["task_name"] for task in due] == ["first", "later"]
    assert home.sql("SELECT * FROM smart_cron_tasks_config") == before
    assert home.runs() == []


def test_due_tasks_run_once_for_their_slot_and_no_pass_runs_them_again(home: Home, runner: SmartCronRunner) -> None:
    good, bad, undue = home.add("good", "echo out"), home.add("bad", "exit 3"), home.add("undue", "true")
    home.due("good", "bad")
    due = runner.get_due_tasks()

    results = runner.execute_tasks(due)
    home.once()
    again = runner.execute_tasks(due)

    by_name = {row["task_name"]: row for row in results}
    assert [row["task_name"] for row in results] == [task["task_name"] for task in due]
    assert (by_name["good"]["status"], by_name["good"]["stdout_output"]) == ("success", "out\n")
    assert (by_name["bad"]["status"], by_name["bad"]["exit_code"]) == ("failed", 3)
    assert {row["triggered_by"] for row in results} == {"cron"}
    assert [row["id"] for row in again] == [row["id"] for row in results]
    assert [len(home.runs(task)) for task in (good, bad, undue)] == [1, 1, 0]
    assert runner.get_due_tasks() == []


def test_tasks_run_side_by_side(home: Home, runner: SmartCronRunner, tmp_path: Path) -> None:
    # Each waits for the other one: one after the other they would never end.
    for own, other in (("a", "b"), ("b", "a")):
        home.add(own, f"touch {tmp_path}/{own}; while [ ! -e {tmp_path}/{other} ]; do sleep 0.02; done")
    home.due("a", "b")

    assert [row["status"] for row in runner.execute_tasks(runner.get_due_tasks())] == ["success"] * 2


def test_a_task_that_is_not_due_runs_by_hand(home: Home, runner: SmartCronRunner, tmp_path: Path) -> None:
    home.add("report", "echo out")
    log = SmartCronLogger(str(tmp_path / "own.log"))

    row = SmartCronRunner(home.house, log).execute_task({"task_name": "report"})

    assert (row["status"], row["triggered_by"], row["scheduled_for"]) == ("success", "manual", None)
    (line,) = SmartCronLogger.get_tail(str(tmp_path / "own.log"))
    assert (line["message"], line["context"]["status"]) == ("Executed report", "success")
    log.close()


def test_a_master_that_works_is_asked_and_waited_for(home: Home, runner: SmartCronRunner) -> None:
    due, undue = home.add("due", "true"), home.add("undue", "true")
    home.start_master()
    slot = datetime.now(UTC)
    home.due("due", at=slot)

    rows = runner.execute_tasks([{"task_name": "due", "next_run_at": slot}, {"task_name": "undue"}])

    assert [(row["status"], row["triggered_by"]) for row in rows] == [("success", "cron"), ("success", "manual")]
    assert [len(home.runs(task)) for task in (due, undue)] == [1, 1]


def test_a_slot_that_the_tasks_policy_leaves_out_is_skipped_and_not_run_by_hand(
    home: Home, runner: SmartCronRunner, tmp_path: Path
) -> None:
    task = home.add("slow", f"while [ ! -e {tmp_path}/gate ]; do sleep 0.02; done", on_overlap=OnOverlap.SKIP)
    home.start_master()
    home.run_now(task)
    home.await_runs(1, task=task, status="running")
    slot = datetime.now(UTC)
    home.due("slow", at=slot)

    row = runner.execute_task({"task_name": "slow", "next_run_at": slot})

    assert (row["status"], row["id"]) == ("skipped", None)
    with pytest.raises(TaskBusyError):
        runner.execute_task({"task_name": "slow"})
    (tmp_path / "gate").touch()
    home.await_runs(1, task=task, status="success")
    assert len(home.runs(task)) == 1


@pytest.mark.parametrize("given", [{}, {"task_name": None}, {"name": "report"}])
def test_a_task_without_a_name_is_refused_in_a_sentence(runner: SmartCronRunner, given: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match="needs its 'task_name'"):
        runner.execute_task(given)


def test_one_unknown_task_and_nothing_is_run(home: Home, runner: SmartCronRunner) -> None:
    home.add("report", "true")

    with pytest.raises(UnknownTaskError):
        runner.execute_tasks([{"task_name": "report"}, {"task_name": "nobody"}])
    assert home.runs() == []


def test_a_lock_written_by_hand_is_healed(home: Home, runner: SmartCronRunner) -> None:
    home.add("report", "true")
    home.sql("UPDATE smart_cron_tasks_config SET is_running = 1")

    runner.clean_stale_locks()

    assert home.sql("SELECT is_running FROM smart_cron_tasks_config") == [(0,)]


def test_cleanup_closes_the_connection_and_another_call_opens_it(home: Home, runner: SmartCronRunner) -> None:
    runner.cleanup()

    assert home.house.store.session.connection.connection is None
    assert runner.get_due_tasks() == []
