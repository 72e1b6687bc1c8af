"""The main job under a real master: what is due runs once, and what became of it is written down."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.engine.conftest import Home, is_alive, wait_until

from smart_cron.core.run import ErrorType
from smart_cron.core.task import OnMissed, OnOverlap

pytestmark = pytest.mark.slow


def test_a_due_slot_runs_once_and_leaves_output_exit_code_and_figures(home: Home) -> None:
    task = home.add("hello", "echo out; echo err >&2")
    home.start_master()
    home.due("hello")

    [run] = home.await_runs(1)

    assert (run["status"], run["exit_code"], run["success"], run["triggered_by"]) == ("success", 0, 1, "cron")
    assert (run["stdout_output"], run["stderr_output"]) == ("out\n", "err\n")
    assert run["scheduled_for"] <= run["started_at"] <= run["completed_at"]
    row = home.house.store.tasks.get("hello")
    assert (row.total_executions, row.total_successes, row.is_running) == (1, 1, False)
    assert row.last_run_at == run["started_at"]
    assert task.id == run["task_id"]
    wait_until(lambda: home.log_text().count("Task completed successfully: hello") == 1, "the line in the log")


def test_a_failure_is_retried_until_it_works(home: Home) -> None:
    home.add("flaky", 'test "$SMART_CRON_ATTEMPT" = 2', max_retries=3, retry_delay=timedelta(0))
    home.start_master()
    home.due("flaky")

    first, second = home.await_runs(2)

    assert (first["status"], first["attempt"], first["triggered_by"]) == ("failed", 1, "cron")
    assert (second["status"], second["attempt"], second["triggered_by"]) == ("success", 2, "retry")
    assert first["scheduled_for"] == second["scheduled_for"]
    assert home.house.store.tasks.get("flaky").consecutive_failures == 0


def test_a_slot_whose_attempts_are_spent_fails_once_and_raises_alerts(home: Home) -> None:
    home.add("broken", "echo why >&2; exit 3", max_retries=1, retry_delay=timedelta(0), failure_threshold=1)
    home.start_master()
    home.due("broken")

    runs = home.await_runs(2)

    assert [run["exit_code"] for run in runs] == [3, 3]
    assert "why" in runs[1]["error_message"]
    wait_until(lambda: home.house.store.tasks.get("broken").consecutive_failures == 1, "one failed slot")
    alerts = home.sql("SELECT alert_type, severity FROM smart_cron_alerts ORDER BY id")
    assert set(alerts) == {("task_failure", "error"), ("consecutive_failures", "critical")}


def test_a_run_past_its_timeout_is_ended_with_all_its_descendants(home: Home, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    home.add(
        "hangs",
        f"setsid sh -c 'trap \"\" TERM; echo $$ >> {pids}; sleep 600' & echo $$ >> {pids}; sleep 600",
        timeout=timedelta(seconds=1),
        kill_grace=timedelta(seconds=1),
    )
    home.start_master()
    home.due("hangs")

    [run] = home.await_runs(1)

    assert (run["status"], run["exit_code"], run["error_type"]) == ("timeout", 124, "timeout")
    assert [pid for pid in map(int, pids.read_text().split()) if is_alive(pid)] == []


def test_killing_the_master_stops_no_task_and_loses_no_result(home: Home, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    home.add("long", f"echo before; cat {gate}; echo after")
    master = home.start_master()
    home.due("long")
    [run] = home.await_runs(1, status="running")

    master.kill()
    master.wait()
    gate.write_text("")
    home.start_master()
    [run] = home.await_runs(1)

    assert (run["status"], run["stdout_output"]) == ("success", "before\nafter\n")


def test_sigterm_leaves_running_tasks_alone(home: Home, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    home.add("long", f"cat {gate}; echo done")
    master = home.start_master()
    home.due("long")
    home.await_runs(1, status="running")

    master.send_signal(signal.SIGTERM)
    assert master.wait(10) == 0
    gate.write_text("")
    home.once()

    [run] = home.await_runs(1)
    assert (run["status"], run["stdout_output"]) == ("success", "done\n")


def test_a_second_master_on_the_node_does_no_harm(home: Home) -> None:
    home.add("once", "true")
    home.start_master()
    home.due("once")

    home.once()

    home.await_runs(1)
    assert len(home.runs()) == 1


def test_one_pass_runs_what_is_due_and_ends(home: Home) -> None:
    home.add("pass", "echo ok")
    home.due("pass")

    home.once()

    [run] = home.runs()
    assert (run["status"], run["stdout_output"]) == ("success", "ok\n")


def test_a_pass_with_nothing_due_still_writes_a_line(home: Home) -> None:
    home.once()

    assert home.log_text().count("Pass completed") == 1


def test_a_pass_ends_in_time_and_the_next_one_records_what_it_left_running(home: Home, tmp_path: Path) -> None:
    home.settings["SMART_CRON_MAX_EXECUTION_TIME"] = "1"
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    home.add("long", f"cat {gate}; echo done")
    home.due("long")
    home.once()
    assert home.runs()[0]["status"] == "running"

    gate.write_text("")
    home.once()

    [run] = home.await_runs(1)
    assert run["status"] == "success"


def test_tasks_start_in_order_of_priority_at_every_free_place(home: Home) -> None:
    home.settings["SMART_CRON_MAX_CONCURRENT"] = "1"
    names = [f"p{priority}" for priority in (9, 2, 5, 1, 10)]
    for name in names:
        home.add(name, "true", priority=int(name[1:]))
    home.due(*names, at=datetime.now(UTC) - timedelta(seconds=1))

    home.start_master()
    runs = home.await_runs(5)

    assert [run["task_name"] for run in sorted(runs, key=lambda run: run["started_at"])] == [
        "p1",
        "p2",
        "p5",
        "p9",
        "p10",
    ]


def test_a_retry_setting_changed_by_sql_counts_for_the_run_in_hand(home: Home, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    home.add("edited", f'test "$SMART_CRON_ATTEMPT" = 2 && exit 0; cat {gate}; exit 1')
    home.start_master()
    home.due("edited")
    home.await_runs(1, status="running")

    home.sql("UPDATE smart_cron_tasks_config SET max_retries = 1, retry_delay_seconds = 0 WHERE task_name = 'edited'")
    gate.write_text("")

    assert [run["status"] for run in home.await_runs(2)] == ["failed", "success"]


def test_a_schedule_changed_by_sql_is_noticed_within_five_seconds(home: Home) -> None:
    task = home.add("edited", "true")
    home.start_master()
    wait_until(lambda: home.house.store.tasks.get("edited").next_run_at, "a first plan")

    home.sql("UPDATE smart_cron_tasks_config SET schedule_pattern = '30 4 * * *' WHERE task_name = 'edited'")

    found = wait_until(
        lambda: (at := home.house.store.tasks.get("edited").next_run_at) and (at.hour, at.minute) == (4, 30),
        "the new next slot",
    )
    assert found
    assert task.name == "edited"


def test_an_invalid_row_is_reported_once_and_harms_no_other(home: Home) -> None:
    home.add("good", "true")
    home.add("bad", "true")
    home.sql("UPDATE smart_cron_tasks_config SET schedule_pattern = '61 * * * *' WHERE task_name = 'bad'")
    home.start_master()

    home.due("good")
    home.await_runs(1)
    wait_until(lambda: "left alone until it is mended: bad" in home.log_text(), "the report")
    home.due("good")
    home.await_runs(2)

    assert home.log_text().count("left alone until it is mended: bad") == 1


@pytest.mark.parametrize(
    ("policy", "outcome"),
    [
        (OnOverlap.SKIP, "skipped"),
        (OnOverlap.QUEUE, "queued"),
        (OnOverlap.ALLOW, "running"),
        (OnOverlap.REPLACE, "killed"),
    ],
)
def test_a_slot_that_meets_its_own_task_running_goes_by_the_overlap_policy(
    home: Home, tmp_path: Path, policy: OnOverlap, outcome: str
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    home.add("busy", f"cat {gate}", on_overlap=policy)
    home.start_master()
    home.due("busy")
    home.await_runs(1, status="running")

    home.due("busy")

    if outcome == "skipped":
        [(what, reason)] = wait_until(
            lambda: home.sql("SELECT outcome, reason FROM smart_cron_skipped_slots"), "the skipped slot"
        )
        assert (what, len(home.runs())) == ("skipped", 1)
        assert str(home.runs()[0]["id"]) in reason
    elif outcome == "killed":
        first, second = home.await_runs(1, status="killed")
        assert (first["error_type"], second["attempt"]) == ("replaced", 1)
    else:
        home.await_runs(2 if outcome == "running" else 1, status=outcome)


def test_a_queued_slot_runs_when_the_first_is_over(home: Home, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    home.add("busy", f"cat {gate}", on_overlap=OnOverlap.QUEUE)
    home.start_master()
    home.due("busy")
    home.await_runs(1, status="running")
    home.due("busy")
    home.await_runs(1, status="queued")

    gate.write_text("")
    home.await_runs(1, status="success")
    gate.write_text("")

    assert [run["status"] for run in home.await_runs(2)] == ["success", "success"]


def test_a_slot_nobody_was_there_for_is_dropped_and_written_down_where_the_task_says_so(home: Home) -> None:
    home.add("strict", "true", on_missed=OnMissed.SKIP)
    home.once()
    home.due("strict", at=datetime.now(UTC) - timedelta(hours=1))

    home.once()

    assert home.runs() == []
    [(outcome, count)] = home.sql("SELECT outcome, slot_count FROM smart_cron_skipped_slots")
    assert (outcome, count) == ("missed", 1)


def test_a_slot_too_old_for_its_start_deadline_never_starts(home: Home) -> None:
    home.add("fresh", "true", start_deadline=timedelta(seconds=10))
    home.once()
    home.due("fresh", at=datetime.now(UTC) - timedelta(minutes=1))

    home.once()

    assert home.runs() == []
    [(reason,)] = home.sql("SELECT reason FROM smart_cron_skipped_slots")
    assert "deadline" in reason


def test_a_script_deleted_before_its_start_fails_with_the_reason(home: Home) -> None:
    path = home.script("gone.sh", "true")
    home.add("gone", "", shell_command=None, script=path)
    Path(path).unlink()
    home.due("gone")

    home.once()

    [run] = home.runs()
    assert (run["status"], run["error_type"], run["exit_code"]) == ("start_failed", "start_failed", None)
    assert path in run["error_message"]


def test_a_person_can_end_a_run(home: Home) -> None:
    home.add("long", "sleep 600")
    home.start_master()
    home.due("long")
    [run] = home.await_runs(1, status="running")

    home.house.store.history.request_cancel(run["id"], reason=ErrorType.CANCELLED, actor="test", now=datetime.now(UTC))

    [run] = home.await_runs(1)
    assert (run["status"], run["error_type"]) == ("killed", "cancelled")
    assert home.house.store.tasks.get("long").consecutive_failures == 0


def test_killing_the_task_runner_stops_no_task_and_loses_no_result(home: Home, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    home.add("long", f"echo before; cat {gate}; echo after")
    home.add("next", "echo next")
    home.start_master()
    home.due("long")
    home.await_runs(1, status="running")

    runner = home.runner_pid()
    assert runner is not None
    os.kill(runner, signal.SIGKILL)
    gate.write_text("")
    home.due("next")

    long_run, next_run = home.await_runs(2)
    assert (long_run["status"], long_run["stdout_output"]) == ("success", "before\nafter\n")
    assert (next_run["status"], next_run["stdout_output"]) == ("success", "next\n")


def test_a_reboot_task_runs_once_a_boot(home: Home) -> None:
    home.add("at_boot", "true", schedule="@reboot")
    home.add("later", "true", schedule="@reboot")
    home.sql("UPDATE smart_cron_tasks_config SET updated_at = '2026-01-01 00:00:00.000000' WHERE task_name = 'at_boot'")

    home.once()
    home.once()

    assert [(run["task_name"], run["status"]) for run in home.runs()] == [("at_boot", "success")]


def test_a_group_never_has_more_runs_than_its_limit(home: Home, tmp_path: Path) -> None:
    home.settings["SMART_CRON_GROUP_LIMITS"] = '{"imports": 1}'
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    for name in ("one", "two", "three"):
        home.add(name, f"cat {gate}", group="imports")
    home.add("other", "true")
    home.due("one", "two", "three", "other")
    home.start_master()

    home.await_runs(1, status="success")
    home.await_runs(1, status="running")
    assert sorted(run["status"] for run in home.runs()) == ["blocked", "blocked", "running", "success"]
    for done in (2, 3, 4):
        gate.write_text("")
        home.await_runs(done, status="success")


def test_running_flags_set_by_hand_heal_by_themselves(home: Home) -> None:
    home.add("idle", "true")
    home.start_master()

    home.sql("UPDATE smart_cron_tasks_config SET is_running = 1 WHERE task_name = 'idle'")
    home.due("idle")

    home.await_runs(1)
    wait_until(lambda: not home.house.store.tasks.get("idle").is_running, "the flag to heal")


def test_settings_are_reread_on_sighup(home: Home) -> None:
    master = home.start_master()
    file = home.path / "smart-cron.toml"
    file.write_text("max_concurrent = 3\n")

    master.send_signal(signal.SIGHUP)

    wait_until(lambda: "Settings were reread" in home.log_text(), "the reread")
    assert '"max_concurrent":3' in home.log_text().replace(" ", "")


def test_faulty_settings_leave_the_old_ones_in_force(home: Home) -> None:
    master = home.start_master()
    (home.path / "smart-cron.toml").write_text("max_concurrent = 0\n")

    master.send_signal(signal.SIGHUP)

    wait_until(lambda: "Settings were not reread" in home.log_text(), "the refusal")
    assert master.poll() is None


def test_a_next_slot_set_by_hand_to_one_that_ran_already_is_passed_over(home: Home) -> None:
    home.add("again", "true")
    slot = datetime.now(UTC)
    home.due("again", at=slot)
    home.once()

    home.due("again", at=slot)
    home.once()

    assert len(home.runs()) == 1
