"""One turn of the master: what is recorded, planned, claimed and launched, and in which order."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.engine.scripted import NOON, Bench
from tests.unit.engine.conftest import MakeBench

from smart_cron.core.errors import DatabaseConflictError, DatabaseUnavailableError, TaskRunnerError
from smart_cron.core.run import EndCause, ErrorType, RunEnd
from smart_cron.core.task import OnMissed, OnOverlap
from smart_cron.engine.settings import LAUNCH_WINDOW

MINUTE = 60.0


def run_of(bench: Bench, name: str) -> str:
    """Return the run id of the living run of this task."""
    return next(run_id for run_id, claim in bench.launcher.living.items() if claim.task.name == name)


def test_a_slot_is_planned_claimed_and_launched_in_one_turn(bench: Bench) -> None:
    bench.add_planned("report")
    bench.clock.advance(MINUTE)

    bench.turn()

    [claim] = bench.launcher.launched
    assert (claim.task.name, claim.scheduled_for, claim.attempt) == ("report", NOON + timedelta(minutes=1), 1)
    assert claim.launch_deadline == bench.clock.boottime() + LAUNCH_WINDOW.total_seconds()
    assert bench.statuses() == ["running"]


def test_nothing_is_launched_before_its_claim_is_committed(bench: Bench) -> None:
    bench.add_planned("report")
    bench.clock.advance(MINUTE)
    bench.database.troubles = ["gone"]

    with pytest.raises(DatabaseUnavailableError):
        bench.turn()

    assert bench.launcher.launched == []
    assert bench.statuses() == []
    bench.turn()
    assert len(bench.launcher.launched) == 1


def test_a_conflict_is_tried_again_at_once_and_does_nothing_twice(bench: Bench) -> None:
    bench.add_planned("report")
    bench.clock.advance(MINUTE)
    bench.database.troubles = ["conflict"] * 3

    bench.turn()

    assert len(bench.launcher.launched) == 1
    assert bench.statuses() == ["running"]


def test_a_conflict_without_end_is_an_error_that_loses_nothing(bench: Bench) -> None:
    bench.add_planned("report")
    bench.clock.advance(MINUTE)
    bench.database.troubles = ["conflict"] * 100

    with pytest.raises(DatabaseConflictError):
        bench.turn()

    bench.database.troubles = []
    bench.turn()
    assert len(bench.launcher.launched) == 1


def test_a_transaction_that_takes_long_to_conflict_is_not_tried_ten_times(bench: Bench) -> None:
    """A lock that is held for longer than the timeout must not hold up signals, news and the log for minutes."""
    bench.add_planned("report")
    tries = []

    def wait_in_vain(*, look: bool) -> Any:
        tries.append(bench.clock.advance(30.0))
        raise DatabaseConflictError("database is locked.")

    bench.cycle._record_plan_claim = wait_in_vain  # type: ignore[method-assign]

    with pytest.raises(DatabaseConflictError):
        bench.cycle.act(look=True)

    assert len(tries) == 1


def test_what_did_not_run_is_told_once_however_often_its_transaction_is_tried(bench: Bench) -> None:
    bench.add_planned("strict", on_missed=OnMissed.SKIP)
    bench.clock.advance(3600 + 90)
    bench.database.troubles = ["conflict", "conflict"]

    bench.turn()

    assert bench.log.count("Slots did not run") == 1


def test_an_invalid_row_is_told_once_however_often_its_transaction_is_tried(bench: Bench) -> None:
    bench.add_planned("bad")
    bench.sql("UPDATE smart_cron_tasks_config SET schedule_pattern = '61 * * * *'")
    bench.database.troubles = ["conflict", "conflict"]

    bench.turn()
    bench.turn()

    assert bench.log.count("Task is invalid and left alone until it is mended") == 1


def test_an_end_is_recorded_told_and_its_file_let_go(bench: Bench) -> None:
    bench.add_planned("report")
    bench.clock.advance(MINUTE)
    bench.turn()
    run_id = run_of(bench, "report")

    bench.launcher.end(run_id)
    bench.turn()

    assert bench.statuses() == ["success"]
    assert bench.launcher.discarded == [run_id]
    assert bench.log.levels("Task completed successfully") == ["info"]


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ({"exit_code": 3}, "failed"),
        ({"cause": EndCause.TIMEOUT, "exit_code": None, "term_signal": 15}, "timeout"),
        ({"cause": EndCause.OOM, "exit_code": None, "term_signal": 9}, "oom"),
        ({"cause": EndCause.LOST}, "lost"),
        ({"cause": EndCause.START_FAILED, "started_at": None}, "start_failed"),
        ({"cause": EndCause.KILLED, "exit_code": None, "term_signal": 15}, "killed"),
    ],
)
def test_every_other_end_is_one_error_line_with_its_status(bench: Bench, end: dict[str, Any], status: str) -> None:
    bench.add_planned("report")
    bench.clock.advance(MINUTE)
    bench.turn()

    bench.launcher.end_all(**end)
    bench.turn()

    assert bench.statuses() == [status]
    assert bench.log.levels(f"Task completed with status {status}") == ["error"]


def test_a_result_survives_a_database_that_is_gone_and_is_recorded_once(bench: Bench) -> None:
    task = bench.add_planned("report")[0]
    bench.ask(task)
    bench.turn()
    bench.launcher.end_all()
    bench.database.troubles = ["gone", "gone"]
    for _ in range(2):
        with pytest.raises(DatabaseUnavailableError):
            bench.turn()
    assert bench.launcher.discarded == []

    bench.turn()

    assert bench.statuses() == ["success"]
    assert bench.task().total_executions == 1


def test_a_lost_reply_to_a_commit_counts_nothing_twice(bench: Bench) -> None:
    task = bench.add_planned("report")[0]
    bench.ask(task)
    bench.turn()
    bench.launcher.end_all(exit_code=1)
    bench.database.troubles = ["reply lost"]
    with pytest.raises(DatabaseUnavailableError):
        bench.turn()

    bench.turn()

    assert bench.statuses() == ["failed"]
    assert (bench.task().total_failures, bench.task().consecutive_failures) == (1, 1)


def test_claims_whose_commit_was_not_answered_are_launched_by_the_next_sweep(bench: Bench) -> None:
    bench.add_planned("report")
    bench.clock.advance(MINUTE)
    bench.database.troubles = ["reply lost"]
    with pytest.raises(DatabaseUnavailableError):
        bench.turn()
    assert bench.statuses() == ["claimed"]
    assert bench.launcher.launched == []

    bench.cycle.sweep()
    bench.turn()

    assert len(bench.launcher.launched) == 1
    assert bench.statuses() == ["running"]


def test_news_that_comes_late_again_is_passed_over(bench: Bench) -> None:
    task = bench.add_planned("report")[0]
    bench.ask(task)
    bench.turn()
    end = bench.launcher.end(run_of(bench, "report"))
    bench.turn()

    bench.launcher.tell_again(replace(end, exit_code=9))
    bench.turn()

    assert bench.statuses() == ["success"]
    assert bench.task().total_executions == 1
    assert bench.log.count("Task completed successfully") == 1


def test_a_runner_lost_in_a_launch_leaves_claims_that_a_sweep_launches_once(bench: Bench) -> None:
    bench.add_planned("report")
    bench.clock.advance(MINUTE)
    bench.launcher.fail("launch")
    with pytest.raises(TaskRunnerError):
        bench.turn()

    bench.cycle.sweep()
    bench.cycle.sweep()

    assert len(bench.launcher.launched) == 1


def test_a_runner_lost_while_files_are_let_go_costs_no_log_line_and_no_place(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=1)
    first, second = bench.add_planned("first", "second")
    bench.ask(first)
    bench.turn()
    bench.ask(second)
    bench.launcher.end_all()
    bench.launcher.fail("discard")

    with pytest.raises(TaskRunnerError):
        bench.turn()

    assert bench.log.count("Task completed successfully") == 1
    assert bench.cycle.report.finished == 1
    assert len(bench.cycle.in_hand) == 1
    assert [claim.task.name for claim in bench.launcher.launched] == ["first", "second"]


def test_a_claim_without_a_file_is_launched_again_within_its_deadline(bench: Bench) -> None:
    bench.add_planned("report")
    bench.clock.advance(MINUTE)
    bench.launcher.fail("launch")
    with pytest.raises(TaskRunnerError):
        bench.turn()
    bench.clock.advance(LAUNCH_WINDOW.total_seconds() - 1)

    bench.new_cycle().sweep()

    assert len(bench.launcher.launched) == 1


def test_a_claim_without_a_file_is_missed_past_its_deadline_and_counts_in_no_total(bench: Bench) -> None:
    bench.add_planned("report")
    bench.clock.advance(MINUTE)
    bench.launcher.fail("launch")
    with pytest.raises(TaskRunnerError):
        bench.turn()
    bench.sql("UPDATE smart_cron_tasks_config SET enabled = 0")
    bench.clock.advance(LAUNCH_WINDOW.total_seconds() + 1)

    bench.new_cycle().sweep()
    bench.turn()

    assert bench.launcher.launched == []
    assert bench.statuses() == ["missed"]
    assert bench.task().total_executions == 0
    assert not bench.task().is_running
    assert bench.log.levels("Task was not started") == ["warning"]


def test_a_run_file_that_cannot_be_written_leaves_its_run_as_it_is_and_is_told_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add_planned("report")
    bench.clock.advance(MINUTE)
    bench.turn()
    bench.launcher.lose(run_of(bench, "report"))

    def read_only(_run: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as shut:
        shut.setattr(bench.launcher, "settle_absent", read_only)
        bench.cycle.sweep()
        bench.cycle.sweep()
    assert bench.statuses() == ["running"]
    bench.cycle.sweep()
    bench.turn()

    assert bench.statuses() == ["lost"]
    assert bench.log.levels("Run files cannot be used, their runs are left as they are") == ["critical"]
    assert bench.log.count("Run files can be used again") == 1


def test_a_directory_of_run_files_that_is_shut_for_a_while_is_read_from_the_start_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add_planned("report")
    bench.clock.advance(MINUTE)
    bench.turn()
    bench.launcher.end_all()
    bench.turn()
    discarded = len(bench.launcher.discarded)

    def shut() -> Iterator[RunEnd]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        yield

    with monkeypatch.context() as closed:
        closed.setattr(bench.launcher, "ended", shut)
        bench.cycle.read_files_again()
        bench.cycle.sweep()
    # What had been begun before is over with this one.
    bench.cycle.sweep()
    bench.cycle.sweep()

    assert len(bench.launcher.discarded) == discarded + 1


def test_a_claim_of_an_earlier_boot_is_lost_and_never_launched_again(make_bench: MakeBench) -> None:
    bench = make_bench(incarnation="earlier:state")
    task = bench.add_planned("report", max_retries=3)[0]
    bench.ask(task)
    bench.launcher.fail("launch")
    with pytest.raises(TaskRunnerError):
        bench.turn()
    bench.settings = replace(bench.settings, incarnation="boot:state")

    bench.new_cycle().sweep()
    bench.turn()

    assert bench.launcher.launched == []
    assert bench.statuses() == ["lost"]


def test_a_run_whose_supervisor_was_killed_is_lost_and_retried_where_the_task_says_so(bench: Bench) -> None:
    task = bench.add_planned("report", max_retries=1, retry_lost=True, retry_delay=timedelta(0))[0]
    bench.ask(task)
    bench.turn()

    bench.launcher.lose(run_of(bench, "report"))
    bench.cycle.sweep()
    bench.turn()

    assert bench.statuses() == ["lost", "running"]


def test_a_run_that_began_is_not_launched_again_though_nobody_told_of_its_start(bench: Bench) -> None:
    task = bench.add_planned("report")[0]
    bench.ask(task)
    bench.turn()
    run_id = run_of(bench, "report")
    bench.launcher.lose(run_id)
    bench.sql("UPDATE smart_cron_executions SET status = 'claimed', started_at = NULL")

    bench.cycle.sweep()
    bench.turn()

    assert bench.statuses() == ["lost"]
    assert bench.log.count("Task started") == 1


def test_a_sweep_leaves_living_runs_alone_and_knows_them_after_a_restart(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=1)
    first, second = bench.add_planned("first", "second")
    bench.ask(first)
    bench.turn()
    bench.ask(second)

    bench.new_cycle().sweep()
    bench.turn()

    assert bench.statuses() == ["running", "waiting"]
    assert len(bench.cycle.in_hand) == 1


def test_an_end_that_nobody_heard_is_read_from_its_file(bench: Bench) -> None:
    task = bench.add_planned("report")[0]
    bench.ask(task)
    bench.turn()
    bench.launcher.end_all(exit_code=4)

    bench.new_cycle().sweep()
    bench.turn()

    assert bench.statuses() == ["failed"]
    assert bench.launcher.discarded == [bench.launcher.launched[0].run_id]


def test_a_row_broken_between_plan_and_claim_fails_alone_with_its_reason(bench: Bench) -> None:
    broken, sound = bench.add_planned("broken", "sound")
    bench.ask(broken)
    bench.ask(sound)
    bench.sql("UPDATE smart_cron_tasks_config SET environment = '[1' WHERE task_name = 'broken'")

    bench.turn()

    assert [claim.task.name for claim in bench.launcher.launched] == ["sound"]
    [(status, message)] = bench.rows(
        "SELECT status, error_message FROM smart_cron_executions WHERE task_name = 'broken'"
    )
    assert status == "start_failed"
    assert "environment" in message


def test_a_start_deadline_that_passes_in_the_queue_makes_the_slot_missed(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=1)
    long, _ = bench.add_planned("long", "urgent", schedule="5 12 * * *", start_deadline=timedelta(seconds=30))
    bench.ask(long)
    bench.turn()
    bench.clock.advance(5 * MINUTE)
    bench.sql("UPDATE smart_cron_tasks_config SET enabled = 0 WHERE task_name = 'long'")
    bench.turn()
    assert bench.statuses() == ["running", "waiting"]

    bench.clock.advance(31)
    bench.launcher.end_all()
    bench.turn()

    assert bench.statuses() == ["success", "missed"]
    assert len(bench.launcher.launched) == 1


@pytest.mark.slow
def test_priority_decides_across_chunks_of_planning(make_bench: MakeBench) -> None:
    """More is due than one transaction plans: nothing starts until all of it is known."""
    bench = make_bench(max_concurrent=3)
    with bench.store.database.transaction():
        for number in range(520):
            bench.add(f"t{number:03}", priority=10)
        for number in range(3):
            bench.add(f"urgent{number}", priority=1)
    bench.turn()
    assert bench.launcher.launched == []
    bench.clock.advance(MINUTE)

    bench.turn()

    assert sorted(claim.task.name for claim in bench.launcher.launched) == ["urgent0", "urgent1", "urgent2"]


def test_every_free_place_goes_to_the_most_urgent_run(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=1)
    tasks = bench.add_planned("blocker", "lazy")
    bench.ask(tasks[0])
    bench.turn()
    bench.ask(tasks[1])
    bench.turn()
    bench.ask(bench.add("urgent", priority=1))
    for _ in range(2):
        bench.launcher.end_all()
        bench.turn()

    assert [claim.task.name for claim in bench.launcher.launched] == ["blocker", "urgent", "lazy"]


@pytest.mark.slow
def test_retries_of_a_mass_failure_all_come_and_never_exceed_the_free_places(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=40)
    tasks = bench.add_planned(*(f"t{number:02}" for number in range(40)), max_retries=1, retry_delay=timedelta(0))
    for task in tasks:
        bench.ask(task)
    bench.turn()
    bench.launcher.end_all(exit_code=1)
    bench.settings = replace(bench.settings, max_concurrent=7)
    bench.cycle.adopt(bench.settings)

    most = 0
    for _ in range(20):
        bench.turn()
        most = max(most, len(bench.launcher.living))
        bench.launcher.end_all()

    assert most == 7
    assert sorted(bench.statuses()) == ["failed"] * 40 + ["success"] * 40


def test_a_retry_waits_for_its_delay(bench: Bench) -> None:
    task = bench.add_planned("report", schedule="0 0 1 1 *", max_retries=2, retry_delay=timedelta(seconds=60))[0]
    bench.ask(task)
    bench.turn()
    bench.launcher.end_all(exit_code=1)
    bench.turn()
    due = bench.cycle.next_due_at
    assert due == bench.clock.now() + timedelta(seconds=60)

    bench.clock.advance(59.9)
    bench.turn()
    assert bench.statuses() == ["failed", "delayed"]
    bench.clock.advance(0.1)
    bench.turn()

    assert bench.statuses() == ["failed", "running"]


def test_a_wish_to_end_a_run_is_passed_on_once(bench: Bench) -> None:
    task = bench.add_planned("report")[0]
    number = bench.ask(task)
    bench.turn()
    bench.store.history.request_cancel(number, reason=ErrorType.CANCELLED, actor="test", now=bench.clock.now())

    for _ in range(3):
        bench.turn()

    assert len(bench.launcher.cancelled) == 1
    assert bench.statuses() == ["killed"]


def test_a_replacing_slot_starts_when_its_predecessor_has_ended(bench: Bench) -> None:
    bench.add_planned("report", on_overlap=OnOverlap.REPLACE)
    bench.clock.advance(MINUTE)
    bench.turn()
    bench.clock.advance(MINUTE)

    bench.turn()
    bench.turn()

    assert bench.statuses() == ["killed", "running"]


def test_adopted_settings_count_from_the_next_turn(bench: Bench) -> None:
    tasks = bench.add_planned("a", "b", "c")
    bench.cycle.adopt(replace(bench.settings, max_concurrent=2))
    for task in tasks:
        bench.ask(task)

    bench.turn()

    assert len(bench.launcher.living) == 2


def test_a_cycle_for_one_execution_plans_and_claims_no_other(bench: Bench) -> None:
    mine, other = bench.add_planned("mine", "other")
    number = bench.ask(mine)
    bench.ask(other)
    bench.new_cycle().only = (number,)
    bench.clock.advance(MINUTE)

    bench.cycle.act(look=True)
    bench.launcher.end_all()
    bench.cycle.hear(timeout=0)
    bench.cycle.act(look=False)

    assert [claim.execution_id for claim in bench.launcher.launched] == [number]
    assert bench.statuses() == ["success", "waiting"]


def test_results_are_gathered_until_most_of_what_runs_has_ended(bench: Bench) -> None:
    tasks = bench.add_planned("a", "b", "c", "d")
    for task in tasks:
        bench.ask(task)
    bench.turn()
    bench.cycle.act(look=False)

    bench.launcher.end(run_of(bench, "a"))
    bench.cycle.hear(timeout=0)
    assert bench.clock.boottime() < bench.cycle.ripe_at < bench.clock.boottime() + 0.1
    bench.launcher.end(run_of(bench, "b"))
    bench.launcher.end(run_of(bench, "c"))
    bench.cycle.hear(timeout=0)

    assert bench.cycle.ripe_at == bench.clock.boottime()


def test_without_news_nothing_is_ripe(bench: Bench) -> None:
    bench.turn()

    assert bench.cycle.ripe_at == float("inf")
    assert not bench.cycle.has_work


@pytest.mark.slow
def test_a_batch_leaves_the_rest_to_the_next_one(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=300)
    tasks = bench.add_planned(*(f"t{number:03}" for number in range(260)))
    for task in tasks:
        bench.ask(task)
    bench.turn()
    bench.launcher.end_all()
    bench.cycle.hear(timeout=0)

    bench.cycle.act(look=False)

    assert bench.statuses().count("success") == 200
    assert bench.cycle.ripe_at == bench.clock.boottime()
    bench.cycle.act(look=False)
    assert bench.statuses().count("success") == 260


def test_what_another_node_decided_while_this_one_waited_for_the_database_stands(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slot was skipped, and the task changed since; our turn had begun before all that."""
    bench.add_planned("report")
    lock = bench.store.plans.lock_due

    def locked_after_a_while(**asked: Any) -> Any:
        bench.clock.advance(30)
        skipped_at, seen_at = (bench.clock.now() - timedelta(seconds=seconds) for seconds in (20, 10))
        bench.sql(
            """INSERT INTO smart_cron_skipped_slots (task_id, task_name, first_slot, last_slot, slot_count, outcome,
                reason, schedule_pattern, time_zone, recorded_at)
             SELECT id, task_name, %s, %s, 1, 'skipped', 'busy', schedule_pattern, 'UTC', %s
              FROM smart_cron_tasks_config""",
            *(f"{at:%Y-%m-%d %H:%M:%S.%f}" for at in (skipped_at, skipped_at, seen_at)),
        )
        bench.sql(
            "UPDATE smart_cron_tasks_config SET accounted_until = %s, planned_policy = NULL",
            f"{seen_at:%Y-%m-%d %H:%M:%S.%f}",
        )
        return lock(**asked)

    monkeypatch.setattr(bench.store.plans, "lock_due", locked_after_a_while)
    bench.turn()

    assert bench.rows("SELECT outcome, slot_count FROM smart_cron_skipped_slots") == [("skipped", 1)]
