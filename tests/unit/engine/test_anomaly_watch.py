"""Which pasts a master knows, without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.engine.scripted import RecordingLog

from smart_cron.core.anomaly import LEAST_PAST, Sample
from smart_cron.core.errors import DatabaseConflictError
from smart_cron.core.run import EndCause, OpenRun, RunEnd, Settlement, Status, Trigger
from smart_cron.engine import anomaly_watch
from smart_cron.engine.anomaly_watch import READ_A_BATCH, READ_IN_A_STORM, AnomalyWatch

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Pasts:
    """Tasks that always took a minute."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def last_successes(self, task_id: int, *, limit: int) -> list[Sample]:
        self.asked.append(task_id)
        return [Sample(duration=60.0, output_bytes=0, memory_peak_bytes=None)] * limit


def settled(task_id: int, *, duration: float = 60.0, success: bool = True, **run: Any) -> Settlement:
    known: dict[str, Any] = {"total_successes": LEAST_PAST, "anomaly_tolerance": 8.0}
    return Settlement(
        run=OpenRun(
            execution_id=task_id,
            run_id=f"run-{task_id}",
            task_id=task_id,
            task_name=f"task{task_id}",
            attempt=1,
            scheduled_for=NOON,
            triggered_by=Trigger.CRON,
            priority=5,
            cancel_reason=None,
            **(known | run),
        ),
        end=RunEnd(
            run_id=f"run-{task_id}",
            execution_id=task_id,
            cause=EndCause.EXITED,
            started_at=NOON,
            completed_at=NOON,
            duration=duration,
        ),
        status=Status.SUCCESS if success else Status.FAILED,
        success=success,
        exit_code=0,
        error_type=None,
        error_message=None,
    )


def subtypes(watch: AnomalyWatch, *settlements: Settlement, storm: bool = False) -> list[list[str | None]]:
    return [[draft.subtype for draft in each.alerts] for each in watch.judged(settlements, storm=storm)]


def test_the_sentence_says_what_is_odd_and_what_to_do() -> None:
    (told,) = AnomalyWatch(Pasts(), RecordingLog()).judged([settled(1, duration=300.0)])

    (draft,) = told.alerts
    assert (draft.alert_type, draft.severity, draft.subtype) == ("system_health", "warning", "anomaly_duration")
    assert draft.message == (
        "Task task1 succeeded, but unlike before: it took 300 s, its last 100 successes 60.0 s. "
        "If that is right, raise its anomaly_tolerance, or set it to 0"
    )


@pytest.mark.parametrize(
    "run",
    [
        {"total_successes": LEAST_PAST - 1},
        {"anomaly_tolerance": 0.0},
        {"alert_on_failure": False},
        {"task_exists": False},
        {"success": False},
    ],
)
def test_what_is_not_judged_costs_no_read(run: dict[str, Any]) -> None:
    pasts = Pasts()

    assert subtypes(AnomalyWatch(pasts, RecordingLog()), settled(1, duration=9_999.0, **run)) == [[]]
    assert pasts.asked == []


@pytest.mark.parametrize(("storm", "most"), [(False, READ_A_BATCH), (True, READ_IN_A_STORM)])
def test_a_batch_reads_so_many_pasts_and_the_others_have_their_turn(storm: bool, most: int) -> None:
    pasts = Pasts()
    watch = AnomalyWatch(pasts, RecordingLog())
    batch = [settled(number, duration=300.0) for number in range(most + 1)]

    assert subtypes(watch, *batch, storm=storm) == [["anomaly_duration"]] * most + [[]]
    assert subtypes(watch, *batch, storm=storm) == [["anomaly_duration"]] * (most + 1)
    assert pasts.asked == list(range(most + 1))


def test_the_task_that_ran_longest_ago_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anomaly_watch, "MOST_TASKS", 2)
    pasts = Pasts()
    watch = AnomalyWatch(pasts, RecordingLog())
    for number in (1, 2, 1, 3, 1, 2):
        watch.learn(watch.judged([settled(number)]))

    assert pasts.asked == [1, 2, 3, 2]


def test_what_was_judged_counts_only_once_it_is_learned() -> None:
    watch = AnomalyWatch(Pasts(), RecordingLog())
    slower = settled(1, duration=300.0)
    for _ in range(200):
        watch.judged([slower])
    assert subtypes(watch, slower) == [["anomaly_duration"]]

    for _ in range(200):
        watch.learn([slower])
    assert subtypes(watch, slower) == [[]]


class BrokenPasts(Pasts):
    """Fails in the given way for task 1."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def last_successes(self, task_id: int, *, limit: int) -> list[Sample]:
        found = super().last_successes(task_id, limit=limit)
        if task_id == 1:
            raise self._error
        return found


def test_a_past_that_cannot_be_read_is_told_once_and_hides_no_other() -> None:
    pasts, log = BrokenPasts(ValueError("nonsense")), RecordingLog()
    watch = AnomalyWatch(pasts, log)
    for _ in range(3):
        batch = [settled(1, duration=300.0), settled(2, duration=300.0)]
        assert subtypes(watch, *batch) == [[], ["anomaly_duration"]]
        watch.learn(batch)

    assert pasts.asked == [1, 2]
    ((level, _, fields),) = log.events
    assert (level, fields["task"], fields["reason"]) == ("error", "task1", "ValueError: nonsense")


def test_a_transaction_that_is_over_is_not_gone_on_with() -> None:
    pasts = BrokenPasts(DatabaseConflictError("deadlock"))
    watch = AnomalyWatch(pasts, RecordingLog())

    with pytest.raises(DatabaseConflictError):
        watch.judged([settled(1)])
    with pytest.raises(DatabaseConflictError):
        watch.judged([settled(1)])


@pytest.mark.parametrize("tolerance", [float("inf"), float("nan")])
def test_a_tolerance_without_bound_tells_nothing(tolerance: float) -> None:
    log = RecordingLog()

    assert subtypes(AnomalyWatch(Pasts(), log), settled(1, duration=9_999.0, anomaly_tolerance=tolerance)) == [[]]
    assert log.events == []


def test_a_tolerance_that_is_text_is_told_and_the_run_goes_on() -> None:
    log = RecordingLog()

    assert subtypes(AnomalyWatch(Pasts(), log), settled(1, anomaly_tolerance="much")) == [[]]
    assert len(log.events) == 1


def test_a_run_that_cannot_be_learned_is_told() -> None:
    log = RecordingLog()
    watch = AnomalyWatch(Pasts(), log)
    watch.judged([settled(1)])

    watch.learn([settled(1, duration="long")])  # type: ignore[arg-type]

    assert len(log.events) == 1
