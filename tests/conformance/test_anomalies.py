"""A success that differs from its task's past raises a warning in the transaction of its result, on every database."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.conformance.scene import NOON, Scene
from tests.engine.scripted import ManualClock, RecordingLog

from smart_cron.core.anomaly import LEAST_PAST, Sample
from smart_cron.core.run import Claim, EndCause, RunEnd, Settlement
from smart_cron.engine.anomaly_watch import READ_A_BATCH, AnomalyWatch
from smart_cron.engine.recorder import Recorder


class CountingPasts:
    """The store's own, which counts how often it is asked."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self.asked = scene, 0

    def last_successes(self, task_id: int, *, limit: int) -> list[Sample]:
        self.asked += 1
        return self._scene.store.pasts.last_successes(task_id, limit=limit)


class Desk:
    """A recorder as the master has it, and runs for it."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.pasts = scene, CountingPasts(scene)
        self.chance = random.Random(1)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Be another master."""
        self.log = RecordingLog()
        self.recorder = Recorder(
            records=self.scene.store.records,
            clock=ManualClock(),
            log=self.log,
            jitter=lambda: 0.0,
            anomalies=AnomalyWatch(self.pasts, self.log),
        )

    def run(self, name: str = "report", **ends: Any) -> list[Settlement]:
        self.scene.requested(name)
        return self.record([self.end(claim, **ends) for claim in self.scene.claim()])

    def end(self, claim: Claim, **ends: Any) -> RunEnd:
        known: dict[str, Any] = {"duration": self.chance.gauss(60, 1), "stdout_bytes": 50_000, "exit_code": 0}
        return RunEnd(
            run_id=claim.run_id,
            execution_id=claim.execution_id,
            cause=EndCause.EXITED,
            started_at=NOON,
            completed_at=NOON,
            **(known | ends),
        )

    def record(self, ends: list[RunEnd]) -> list[Settlement]:
        self.recorder.note((), ends)
        with self.scene.store.database.transaction():
            settled = self.recorder.write()
        self.recorder.confirm()
        return settled

    def usual_runs(self, count: int = LEAST_PAST, name: str = "report") -> None:
        for _ in range(count):
            self.run(name)

    def alerts(self) -> list[tuple[str, str, str]]:
        return [
            (row[0], row[1], row[2])
            for row in self.scene.store.session.rows(
                "SELECT alert_type, subtype, severity FROM smart_cron_alerts WHERE resolved = 0 ORDER BY id"
            )
        ]


@pytest.fixture
def desk(scene: Scene) -> Desk:
    return Desk(scene)


@pytest.mark.slow
def test_a_run_that_takes_far_longer_is_told_and_the_next_usual_one_ends_it(desk: Desk) -> None:
    desk.usual_runs()

    desk.run(duration=300.0)
    assert desk.alerts() == [("system_health", "anomaly_duration", "warning")]

    desk.run()
    assert desk.alerts() == []


@pytest.mark.slow
def test_the_first_twenty_runs_are_never_judged(desk: Desk) -> None:
    for number in range(LEAST_PAST):
        desk.run(duration=1000.0 * number)

    assert desk.alerts() == []


@pytest.mark.slow
def test_a_master_that_was_started_anew_knows_the_past_from_the_database(desk: Desk) -> None:
    desk.usual_runs()
    desk.begin_anew()

    desk.run(stdout_bytes=0)

    assert desk.alerts() == [("system_health", "anomaly_output", "warning")]


@pytest.mark.slow
def test_the_past_is_read_once(desk: Desk) -> None:
    desk.usual_runs(LEAST_PAST + 5)

    assert desk.pasts.asked == 1


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"anomaly_tolerance": 0.0}, {"alert_on_failure": False}])
def test_a_task_can_be_silenced(desk: Desk, changes: dict[str, Any]) -> None:
    desk.scene.add(**changes)
    desk.usual_runs()

    desk.run(duration=9_999.0)

    assert desk.alerts() == []
    assert desk.pasts.asked == 0


@pytest.mark.slow
def test_a_past_and_a_tolerance_that_somebody_broke_stop_no_run(desk: Desk) -> None:
    if desk.scene.store.session.dialect.name != "sqlite":
        return  # Others take no text there.
    desk.usual_runs()
    desk.begin_anew()
    desk.scene.sql("UPDATE smart_cron_executions SET execution_time = 'nonsense'")
    for tolerance in (8, 8, "much"):
        desk.scene.sql("UPDATE smart_cron_tasks_config SET anomaly_tolerance = %s", [tolerance])
        (settled,) = desk.run(duration=300.0)
        assert settled.alerts == ()

    assert desk.log.count("Runs of a task cannot be compared with its past") == 1
    assert desk.scene.column("total_successes") == LEAST_PAST + 3


@pytest.mark.slow
@pytest.mark.parametrize("tolerance", ["Infinity", "NaN"])
def test_a_tolerance_that_is_no_number_silences(desk: Desk, tolerance: str) -> None:
    if desk.scene.store.session.dialect.name != "postgresql":
        return  # Others take no such numbers.
    desk.usual_runs()
    desk.scene.sql("UPDATE smart_cron_tasks_config SET anomaly_tolerance = %s", [tolerance])

    desk.run(duration=9_999.0)

    assert desk.alerts() == []


@pytest.mark.slow
def test_a_failure_is_no_anomaly_and_is_not_learned(desk: Desk) -> None:
    desk.usual_runs()
    for _ in range(LEAST_PAST * 2):
        desk.run(exit_code=1, duration=5_000.0)

    (settled,) = desk.run(duration=5_000.0)

    assert [draft.subtype for draft in settled.alerts] == ["anomaly_duration"]


@pytest.mark.slow
def test_what_was_not_committed_is_neither_told_nor_learned(desk: Desk) -> None:
    desk.usual_runs(LEAST_PAST + 1)
    desk.scene.requested()
    (claim,) = desk.scene.claim()
    desk.recorder.note((), [desk.end(claim, duration=300.0)])
    for _ in range(LEAST_PAST * 3):
        _write_and_fail(desk)
    assert desk.alerts() == []

    (settled,) = desk.record([])

    assert [draft.subtype for draft in settled.alerts] == ["anomaly_duration"]
    assert desk.alerts() == [("system_health", "anomaly_duration", "warning")]


def _write_and_fail(desk: Desk) -> None:
    try:
        with desk.scene.store.database.transaction():
            desk.recorder.write()
            raise RuntimeError
    except RuntimeError:
        return


@pytest.mark.slow
def test_a_batch_of_many_tasks_waits_for_few_pasts(desk: Desk) -> None:
    names = [f"task{number}" for number in range(READ_A_BATCH * 2)]
    for name in names:
        desk.scene.add(name)
        desk.scene.sql("UPDATE smart_cron_tasks_config SET total_successes = 50 WHERE task_name = %s", [name])
        desk.scene.requested(name)

    desk.record([desk.end(claim) for claim in desk.scene.claim()])

    assert desk.pasts.asked == READ_A_BATCH
