"""Runs that will not end: past timeout, grace and `deadlock_timeout` they are ended by force, told, and alerted."""

from __future__ import annotations

from datetime import timedelta

from tests.engine.scripted import Bench

ALLOWED = 60 + 600 + 10 + 600  # launch window, timeout, grace, deadlock_timeout


def running(bench: Bench) -> str:
    task = bench.add("stuck", timeout=timedelta(seconds=600), kill_grace=timedelta(seconds=10), schedule="0 0 1 1 *")
    bench.ask(task)
    bench.turn()
    return bench.launcher.launched[-1].run_id


def test_a_run_that_never_ends_is_lost_and_somebody_is_told(bench: Bench) -> None:
    run_id = running(bench)
    bench.clock.advance(ALLOWED + 1)

    bench.cycle.sweep()
    bench.turn()

    assert bench.launcher.forced == [run_id]
    assert bench.statuses() == ["lost"]
    alerts = bench.rows("SELECT alert_type, severity, message FROM smart_cron_alerts ORDER BY id")
    assert ("stuck_task", "error") in [alert[:2] for alert in alerts]
    assert "was still there 0:10:00 after its timeout and grace of 610 s" in alerts[0][2]


def test_until_then_it_is_left_to_its_supervisor(bench: Bench) -> None:
    running(bench)
    bench.clock.advance(ALLOWED - 1)

    bench.cycle.sweep()

    assert bench.launcher.forced == []
    assert bench.statuses() == ["running"]


def test_a_wall_clock_that_jumps_makes_nothing_stuck(bench: Bench) -> None:
    running(bench)
    bench.clock.step(10 * 86_400)

    bench.cycle.sweep()

    assert bench.launcher.forced == []


def test_the_end_that_it_wrote_after_all_is_what_counts(bench: Bench) -> None:
    run_id = running(bench)
    bench.clock.advance(ALLOWED + 1)
    bench.launcher.end(run_id, exit_code=3)
    bench.launcher.forget_news()

    bench.cycle.sweep()
    bench.turn()

    assert bench.launcher.forced == []
    assert bench.statuses() == ["failed"]


def test_failures_in_a_row_that_sql_set_back_resolve_their_alert(bench: Bench) -> None:
    task = bench.add(failure_threshold=1, schedule="0 0 1 1 *")
    bench.ask(task)
    bench.turn()
    bench.launcher.end_all(exit_code=1)
    bench.turn()
    is_open = "SELECT resolved FROM smart_cron_alerts WHERE alert_type = 'consecutive_failures'"
    assert bench.rows(is_open) == [(0,)]

    bench.sql("UPDATE smart_cron_tasks_config SET consecutive_failures = 0")
    bench.clock.advance(60)
    bench.cycle.sweep()

    assert bench.rows(is_open) == [(1,)]


def test_a_timeout_that_is_shortened_meanwhile_makes_nothing_stuck(bench: Bench) -> None:
    running(bench)
    bench.sql("UPDATE smart_cron_tasks_config SET timeout_seconds = 1")
    bench.clock.advance(60 + 1 + 10 + 600 + 1)

    bench.cycle.sweep()

    assert bench.launcher.forced == []
