"""The port `RecordStore`, on every database."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from tests.conformance.scene import FAILED, INCARNATION, MINUTE, NOON, SECOND, Scene, settlement

from smart_cron.core.errors import DatabaseConflictError
from smart_cron.core.run import AlertDraft, EndCause, ErrorType, Status, Trigger
from smart_cron.core.task import OnOverlap
from smart_cron.store.gateway import open_store


def test_an_outcome_is_written_whole(scene: Scene) -> None:
    scene.requested()
    (claim,) = scene.claim()
    end = {
        "exit_code": None,
        "term_signal": 9,
        "memory_peak_bytes": 1024 * 1024 + 1,
        "cpu_seconds": 0.25,
        "stdout_bytes": 10,
        "stderr_bytes": 5,
        "output_sha256": "a" * 64,
        "output_truncated": True,
        "output_path": "/var/log/out",
        "leftovers": ("12:sleep",),
        "duration": 12.5,
    }
    scene.settle(
        [claim],
        status=Status.FAILED,
        success=False,
        exit_code=137,
        error_type=ErrorType.SIGNAL,
        error_message="Ended by signal 9",
        stdout_copy="out",
        stderr_copy="err",
        end=end,
    )

    row = scene.execution(claim.execution_id)

    assert (row["status"], row["success"], row["exit_code"], row["term_signal"]) == ("failed", 0, 137, 9)
    assert (row["error_type"], row["error_message"]) == ("signal", "Ended by signal 9")
    assert (row["started_at"], row["completed_at"], row["execution_time"]) == (NOON, NOON + 2 * SECOND, 12.5)
    assert (row["memory_peak_mb"], row["cpu_seconds"], row["output_bytes"]) == (2, 0.25, 15)
    assert (row["stdout_output"], row["stderr_output"], row["output_truncated"]) == ("out", "err", 1)
    assert json.loads(row["leftovers"]) == {"leftovers": ["12:sleep"], "unkillable": []}


def test_a_task_knows_its_last_run_and_totals(scene: Scene) -> None:
    scene.ran()

    task = scene.task()
    assert (task.is_running, task.last_run_at, task.last_status) == (False, NOON, "success")
    assert (task.total_executions, task.total_successes, task.total_failures) == (1, 1, 0)
    assert task.avg_execution_time == 2.0
    assert scene.column("running_execution_id") is None


def test_totals_of_one_batch_add_up(scene: Scene) -> None:
    scene.add(on_overlap=OnOverlap.ALLOW)
    for _ in range(5):
        scene.requested()
    claims = scene.claim()
    with scene.store.database.transaction():
        runs = scene.open_runs(claims)
        outcomes = [FAILED, FAILED, {}, FAILED, FAILED]
        batch = [
            settlement(run, **outcome, end={"completed_at": NOON + number * SECOND, "duration": float(number)})
            for number, (run, outcome) in enumerate(zip(runs, outcomes, strict=True))
        ]
        scene.store.records.settle(list(reversed(batch)), now=NOON)

    task = scene.task()
    assert (task.total_executions, task.total_successes, task.total_failures) == (5, 1, 4)
    assert task.consecutive_failures == 2
    assert task.avg_execution_time == 2.0
    assert not task.is_running


def test_the_average_is_over_runs_that_finished(scene: Scene) -> None:
    scene.ran(end={"duration": 1.0})
    scene.ran(end={"duration": 4.0})
    lost = {"cause": EndCause.LOST, "duration": 500.0}
    scene.ran(status=Status.LOST, success=False, end=lost)
    scene.ran(status=Status.START_FAILED, success=False, end={"started_at": None})

    task = scene.task()
    assert task.avg_execution_time == 2.5
    assert task.total_executions == 4


def test_failed_slots_add_up_and_a_win_starts_afresh(scene: Scene) -> None:
    for _ in range(3):
        scene.ran(**FAILED)
    assert scene.task().consecutive_failures == 3

    scene.ran(status=Status.KILLED, success=False, error_type=ErrorType.CANCELLED)
    assert scene.task().consecutive_failures == 3

    scene.ran()
    assert scene.task().consecutive_failures == 0


def test_what_never_started_counts_in_no_total(scene: Scene) -> None:
    end = {"cause": EndCause.NEVER_STARTED, "started_at": None}
    scene.ran(status=Status.MISSED, success=False, counts=False, end=end)

    task = scene.task()
    assert (task.total_executions, task.total_failures, task.last_run_at) == (0, 0, None)
    assert scene.statuses() == ["missed"]


def test_a_retry_is_a_later_attempt_at_the_same_slot(scene: Scene) -> None:
    scene.add(group="db", priority=3)
    scene.planned()
    scene.start()
    scene.settle(scene.claim(), status=Status.FAILED, success=False, retry_at=NOON + 5 * MINUTE)

    retry, first = scene.store.history.runs()

    assert (retry["status"], retry["attempt"], retry["triggered_by"]) == ("delayed", 2, "retry")
    assert (retry["scheduled_for"], retry["due_at"]) == (NOON, NOON + 5 * MINUTE)
    assert (retry["task_group"], retry["priority"], retry["run_id"]) == ("db", 3, None)
    assert first["status"] == "failed"


def test_a_retry_of_a_manual_run_keeps_its_arguments(scene: Scene) -> None:
    task = scene.add()
    scene.store.tasks.request_run(task.id, arguments=["x"], actor="ann", now=NOON)
    scene.settle(scene.claim(), status=Status.FAILED, success=False, retry_at=NOON)
    with scene.store.database.transaction():
        scene.store.plans.release_delayed(now=NOON)

    (claim,) = scene.claim()

    assert claim.task.arguments == ("x",)


def test_queued_runs_go_on_one_by_one(scene: Scene) -> None:
    scene.add(on_overlap=OnOverlap.QUEUE)
    scene.planned()
    scene.start()
    claims = scene.claim()
    scene.start(at=NOON + MINUTE, status=Status.QUEUED)
    scene.start(at=NOON + 2 * MINUTE, status=Status.QUEUED)

    scene.settle(claims)

    assert scene.statuses() == ["success", "waiting", "queued"]


def test_a_task_stays_running_while_another_run_of_it_goes_on(scene: Scene) -> None:
    scene.add(on_overlap=OnOverlap.ALLOW)
    scene.requested()
    scene.requested()
    first, second = scene.claim()
    scene.settle([second])

    assert scene.task().is_running
    assert scene.column("running_execution_id") == first.execution_id
    scene.settle([first])
    assert not scene.task().is_running


def test_an_alert_is_raised_once_and_counted_up(scene: Scene) -> None:
    for _ in range(2):
        scene.ran(**FAILED)
    scene.ran("other", **FAILED)

    rows = scene.store.session.rows("SELECT task_name, alert_type, occurrences FROM smart_cron_alerts ORDER BY id")
    assert rows == [("report", "task_failure", 2), ("other", "task_failure", 1)]


def test_a_resolved_alert_is_raised_anew(scene: Scene) -> None:
    scene.ran(**FAILED)
    scene.sql("UPDATE smart_cron_alerts SET resolved = 1, resolved_at = CURRENT_TIMESTAMP")
    scene.ran(**FAILED)

    assert scene.count("smart_cron_alerts") == 2


def test_an_alert_too_long_is_cut_at_a_whole_character(scene: Scene) -> None:
    scene.ran(**(FAILED | {"alerts": (AlertDraft(alert_type="x", severity="error", message="ü" * 5000),)}))

    row = scene.store.session.row("SELECT message FROM smart_cron_alerts")
    assert row == ("ü" * 1000,)


@pytest.mark.parametrize(
    "text",
    ["", "a\0b", "\udcff raw", "€" * 40_000, "💥" * 20_000, "x" * 65_535, "\\'\"%s{}\n\r\x1a\x1b"],
    ids=["empty", "nul", "surrogate", "three bytes", "four bytes", "full", "specials"],
)
def test_output_of_any_kind_never_keeps_a_run_running(scene: Scene, text: str) -> None:
    number = scene.ran(stdout_copy=text, stderr_copy=text, error_message=text)

    row = scene.execution(number)
    stored = row["stdout_output"] or ""
    assert row["status"] == "success"
    assert len(stored.encode()) <= 65_535
    expected = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    assert expected.startswith(stored)
    assert len(stored) >= min(len(expected), 16_383)
    assert len(row["error_message"]) <= 1000


@pytest.mark.slow
def test_a_batch_of_full_outputs_is_written(scene: Scene) -> None:
    scene.add(on_overlap=OnOverlap.ALLOW)
    for _ in range(40):
        scene.requested()
    claims = scene.claim()
    scene.settle(claims, stdout_copy="o" * 65_535, stderr_copy="\x01" * 65_535)

    assert scene.statuses() == ["success"] * 40
    row = scene.execution(claims[-1].execution_id)
    assert (len(row["stdout_output"]), len(row["stderr_output"])) == (65_535, 65_535)


def test_started_runs_show_as_running(scene: Scene) -> None:
    scene.requested()
    (claim,) = scene.claim()
    started = NOON + timedelta(microseconds=123456)
    scene.store.records.mark_running([(claim.execution_id, claim.run_id, started)])

    row = scene.execution(claim.execution_id)
    assert (row["status"], row["started_at"]) == ("running", started)


def test_news_of_a_start_never_reopens_a_final_run(scene: Scene) -> None:
    scene.requested()
    (claim,) = scene.claim()
    scene.settle([claim])
    scene.store.records.mark_running([(claim.execution_id, claim.run_id, NOON)])

    assert scene.statuses() == ["success"]


def test_only_runs_that_are_open_and_held_under_this_id_are_locked_for_settling(scene: Scene) -> None:
    scene.add(on_overlap=OnOverlap.ALLOW, max_retries=2, success_exit_codes=(0, 7), group="db")
    scene.requested()
    scene.requested()
    first, second = scene.claim()
    scene.settle([first])
    with scene.store.database.transaction():
        assert scene.open_runs([first]) == []
        assert scene.store.records.lock_open([(second.execution_id, "another run")]) == []
        (run,) = scene.open_runs([first, second])

    assert (run.execution_id, run.run_id, run.task_name) == (second.execution_id, second.run_id, "report")
    assert (run.max_retries, run.success_exit_codes, run.group) == (2, (0, 7), "db")


def test_a_run_settled_twice_is_a_conflict_and_changes_nothing(scene: Scene) -> None:
    scene.requested()
    claims = scene.claim()
    (run,) = scene.settle(claims)

    with pytest.raises(DatabaseConflictError), scene.store.database.transaction():
        scene.store.records.settle([settlement(run)], now=NOON)
    assert scene.task().total_executions == 1


def test_a_run_of_a_deleted_task_is_settled_all_the_same(scene: Scene) -> None:
    number = scene.requested()
    claims = scene.claim()
    scene.sql("DELETE FROM smart_cron_tasks_config")

    (run,) = scene.settle(claims, **FAILED)

    assert not run.task_exists
    assert scene.execution(number)["status"] == "failed"


def test_a_policy_that_cannot_be_read_keeps_no_run_open(scene: Scene) -> None:
    scene.requested()
    claims = scene.claim()
    scene.sql("UPDATE smart_cron_tasks_config SET success_exit_codes = 'x'")

    (run,) = scene.settle(claims)

    assert run.success_exit_codes == (0,)


def test_a_node_knows_what_it_holds(scene: Scene) -> None:
    scene.add(timeout=timedelta(seconds=77), kill_grace=timedelta(seconds=3))
    scene.requested()
    (claim,) = scene.claim()
    scene.sql("UPDATE smart_cron_tasks_config SET timeout_seconds = 1")

    (held,) = scene.store.records.held(node="one")

    assert (held.execution_id, held.run_id, held.status) == (claim.execution_id, claim.run_id, Status.CLAIMED)
    assert (held.allowed_seconds, held.launch_deadline) == (80, 1000.5)
    assert scene.store.records.held(node="two") == []


def test_runs_that_are_final_or_gone_are_told_from_open_ones(scene: Scene) -> None:
    scene.requested("done")
    scene.settle(scene.claim())
    done = scene.store.history.runs()[0]
    scene.requested("open")
    (claim,) = scene.claim()
    number = claim.execution_id
    keys = [(done["id"], done["run_id"]), (number, claim.run_id), (number, "other"), (10**9, "gone")]

    assert scene.store.records.final_among(keys) == {done["run_id"], "other", "gone"}


def test_claims_move_to_another_incarnation_and_what_runs_does_not(scene: Scene) -> None:
    for name in ("claimed", "running"):
        scene.requested(name)
    claims = scene.claim()
    scene.requested("elsewhere")
    scene.claim(node="two")
    running = next(claim for claim in claims if claim.task.name == "running")
    scene.store.records.mark_running([(running.execution_id, running.run_id, NOON)])

    assert scene.store.records.move_claims(node="one", incarnation="unreliable") == 1
    assert scene.store.records.move_claims(node="one", incarnation="unreliable") == 0

    assert sorted(run.incarnation for run in scene.store.records.held(node="one")) == [INCARNATION, "unreliable"]
    assert [run.incarnation for run in scene.store.records.held(node="two")] == [INCARNATION]


def test_a_running_flag_that_was_cleared_by_sql_comes_back(scene: Scene) -> None:
    scene.requested()
    scene.claim()
    scene.sql("UPDATE smart_cron_tasks_config SET is_running = 0")

    assert scene.store.records.heal_projections() == 1
    assert scene.task().is_running
    assert scene.store.records.heal_projections() == 0


def test_a_running_flag_without_a_run_goes_away(scene: Scene) -> None:
    scene.add()
    scene.sql("UPDATE smart_cron_tasks_config SET is_running = 1, running_execution_id = 99")

    assert scene.store.records.heal_projections() == 1
    assert not scene.task().is_running
    assert scene.column("running_execution_id") is None


def test_what_waits_behind_a_run_that_was_deleted_goes_on(scene: Scene) -> None:
    scene.add(on_overlap=OnOverlap.QUEUE, group="db")
    scene.planned()
    scene.start()
    scene.start(at=NOON + MINUTE, status=Status.QUEUED)
    scene.sql("DELETE FROM smart_cron_executions WHERE status = 'waiting'")
    scene.store.records.heal_projections()
    assert scene.statuses() == ["waiting"]

    with scene.store.database.transaction():
        scene.store.claims.block([run.execution_id for run in scene.store.claims.lock_waiting(limit=9)])
    scene.store.records.heal_projections()
    assert scene.statuses() == ["waiting"]


def test_what_a_person_wrote_into_a_number_by_sql_blocks_no_result(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'smart-cron.db'}", alias="typeless")
    store.database.migrate()
    scene = Scene(store)
    scene.requested("report")
    claims = scene.claim()
    scene.sql(
        """UPDATE smart_cron_tasks_config SET failure_threshold = 'x', consecutive_failures = 'y',
            max_retries = 'many', total_successes = '', anomaly_tolerance = '0,5', ping_url = 7"""
    )
    scene.sql("UPDATE smart_cron_executions SET triggered_by = 'by me', cancel_reason = 'boredom', priority = 'high'")

    [run] = scene.settle(claims, **FAILED)

    assert (run.failure_threshold, run.max_retries, run.anomaly_tolerance) == (5, 0, 0.0)
    assert (run.triggered_by, run.cancel_reason, run.priority) == (Trigger.CRON, None, 5)
    [row] = scene.store.history.runs()
    assert row["status"] == "failed"
    store.database.close()
