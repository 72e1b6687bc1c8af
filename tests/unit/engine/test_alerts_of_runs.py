"""What the engine hands on about alerts: severities of the settings, and how many failures there were in a row."""

from __future__ import annotations

from tests.engine.scripted import NOON, Bench
from tests.unit.engine.conftest import MakeBench

from smart_cron.core.alert_rules import read_severities
from smart_cron.core.run import HeldRun, Status
from smart_cron.core.task import OnOverlap
from smart_cron.engine.membership import Surroundings, settle_for_another

NEVER = "0 0 1 1 *"
ALERTS = "SELECT alert_type, severity, occurrences, resolved FROM smart_cron_alerts ORDER BY id"


def failed_at_once(bench: Bench, *exit_codes: int, threshold: int) -> None:
    """Let runs of one task end before the first of them is recorded, one second after the other."""
    task = bench.add(schedule=NEVER, failure_threshold=threshold, on_overlap=OnOverlap.ALLOW)
    for _ in exit_codes:
        bench.ask(task)
    bench.turn()
    for claim, code in zip(bench.launcher.launched, exit_codes, strict=True):
        bench.clock.advance(1)
        bench.launcher.end(claim.run_id, exit_code=code)
    bench.turn()


def test_severities_are_those_of_the_settings(make_bench: MakeBench) -> None:
    bench = make_bench(severities=read_severities({"task_failure": "warning"}))

    failed_at_once(bench, 1, threshold=1)

    assert bench.rows(ALERTS) == [("task_failure", "warning", 1, 0), ("consecutive_failures", "critical", 1, 0)]


def test_settings_that_were_reread_count_from_then_on(bench: Bench) -> None:
    severe = Bench(bench.store, severities=read_severities({"task_failure": "critical"})).settings
    bench.cycle.adopt(severe)

    failed_at_once(bench, 1, threshold=9)

    assert bench.rows(ALERTS) == [("task_failure", "critical", 1, 0)]


def test_failures_recorded_in_one_batch_are_failures_in_a_row(bench: Bench) -> None:
    failed_at_once(bench, 1, 1, 1, threshold=3)

    assert bench.task().consecutive_failures == 3
    assert bench.rows(ALERTS) == [("task_failure", "error", 3, 0), ("consecutive_failures", "critical", 1, 0)]


def test_a_success_between_them_begins_the_row_anew(bench: Bench) -> None:
    failed_at_once(bench, 1, 0, 1, threshold=2)

    assert bench.task().consecutive_failures == 1
    assert bench.rows(ALERTS) == [("task_failure", "error", 1, 1), ("task_failure", "error", 1, 0)]


def test_what_another_node_lost_is_as_grave_as_the_settings_say(bench: Bench) -> None:
    bench.ask(bench.add(schedule=NEVER))
    bench.turn()
    (claim,) = bench.launcher.launched
    store = bench.store
    around = Surroundings(
        database=store.database,
        nodes=store.nodes,
        holds=store.holds,
        records=store.records,
        log=bench.log,
        jitter=lambda: 0.0,
        severities=read_severities({"task_failure": "info"}),
    )
    run = HeldRun(
        execution_id=claim.execution_id,
        run_id=claim.run_id,
        status=Status.RUNNING,
        incarnation=claim.incarnation,
        claimed_at=NOON,
        launch_deadline=claim.launch_deadline,
        allowed_seconds=60,
        cancel_reason=None,
    )

    settle_for_another(around, [run], reason="its node is gone", by="two", now=NOON)

    assert bench.rows(ALERTS) == [("task_failure", "info", 1, 0)]
    assert bench.rows("SELECT message FROM smart_cron_alerts") == [("Task report failed: its node is gone",)]
