"""The ports `RollupStore`, `SampleStore`, `PastStore` and `FigureStore`, on every database."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.conformance.scene import FAILED, MINUTE, NOON, SECOND, Scene, settlement

from smart_cron.core.histogram import bucket_of, from_text, quantile, to_text
from smart_cron.core.rollup import Rollup, by_day, hour_of
from smart_cron.core.run import EndCause, Status
from smart_cron.core.sample import NodeSample
from smart_cron.core.task import OnOverlap

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LOST: dict[str, Any] = {"status": Status.LOST, "success": False, "end": {"cause": EndCause.LOST, "started_at": None}}


@pytest.fixture(autouse=True)
def _empty(scene: Scene) -> None:
    for table in ("smart_cron_metrics", "smart_cron_node_samples", "smart_cron_deliveries"):
        scene.sql(f"DELETE FROM {table}")


def hours(scene: Scene, name: str = "report") -> list[Rollup]:
    return scene.store.rollups.series(task_id=scene.task(name).id, since=NOON - DAY, until=NOON + DAY)


def columns(scene: Scene, *names: str) -> list[tuple[Any, ...]]:
    return scene.store.session.rows(f"SELECT {', '.join(names)} FROM smart_cron_metrics ORDER BY bucket_at, node")


def test_a_run_is_summed_up_under_its_task_hour_and_node(scene: Scene) -> None:
    end = {
        "duration": 2.5,
        "memory_peak_bytes": 3 * 1024 * 1024 + 1,
        "cpu_seconds": 0.5,
        "stdout_bytes": 100,
        "stderr_bytes": 11,
        "completed_at": NOON + 59 * MINUTE,
    }
    scene.ran(end=end)

    (hour,) = hours(scene)
    assert (hour.bucket_at, hour.runs, hour.successes, hour.failures, hour.timed_runs) == (NOON, 1, 1, 0, 1)
    assert (hour.duration_sum, hour.duration_min, hour.duration_max) == (2.5, 2.5, 2.5)
    assert (hour.duration_p50, hour.duration_p95) == (2.5, 2.5)
    assert (hour.memory_peak_mb, hour.cpu_seconds, hour.output_bytes) == (4, 0.5, 111)
    assert columns(scene, "period", "task_name", "node", "duration_p50") == [("hour", "report", "one", 2.5)]


def test_more_runs_add_to_the_same_row(scene: Scene) -> None:
    scene.ran(end={"duration": 1.0})
    scene.ran(**FAILED, end={"duration": 4.0, "memory_peak_bytes": 1})
    scene.ran(end={"duration": 2.0, "completed_at": NOON + HOUR})

    first, second = hours(scene)
    assert (first.runs, first.successes, first.failures, first.duration_sum) == (2, 1, 1, 5.0)
    assert (first.duration_min, first.duration_max, first.memory_peak_mb) == (1.0, 4.0, 1)
    assert (second.bucket_at, second.runs) == (NOON + HOUR, 1)
    assert scene.count("smart_cron_metrics") == 2


def test_several_runs_of_one_task_in_one_batch_add_up(scene: Scene) -> None:
    scene.add(on_overlap=OnOverlap.ALLOW)
    for _ in range(3):
        scene.requested()
    scene.settle(scene.claim(), end={"duration": 0.25})

    (hour,) = hours(scene)
    assert (hour.runs, hour.timed_runs, hour.duration_sum) == (3, 3, 0.75)
    assert sum(hour.histogram.values()) == 3


def test_lateness_is_of_first_attempts_of_slots_alone(scene: Scene) -> None:
    scene.add()
    scene.planned()
    scene.start()
    retry = {"status": Status.FAILED, "success": False, "retry_at": NOON}
    scene.settle(scene.claim(), **retry, end={"started_at": NOON + 3 * SECOND})
    scene.sql("UPDATE smart_cron_executions SET status = 'waiting' WHERE status = 'delayed'")
    scene.settle(scene.claim(), end={"started_at": NOON + 90 * SECOND})
    scene.ran()

    (hour,) = hours(scene)
    assert (hour.runs, hour.lateness_runs, hour.lateness_sum, hour.lateness_max) == (3, 1, 3.0, 3.0)


def test_what_counts_in_no_total_counts_here_neither(scene: Scene) -> None:
    end = {"cause": EndCause.NEVER_STARTED, "started_at": None}
    scene.ran(status=Status.MISSED, success=False, counts=False, end=end)

    assert hours(scene) == []


def test_a_loss_is_a_failure_without_a_duration(scene: Scene) -> None:
    scene.ran(**LOST)

    (hour,) = hours(scene)
    assert (hour.runs, hour.failures, hour.timed_runs, hour.duration_p95) == (1, 1, 0, None)
    assert columns(scene, "duration_min", "duration_histogram") == [(None, None)]


def test_a_run_that_others_took_for_lost_counts_once_when_its_node_knows_better(scene: Scene) -> None:
    scene.ran(end={"duration": 1.0})
    scene.requested()
    (claim,) = scene.claim()
    scene.settle([claim], **LOST)
    scene.store.nodes.note_settled_by([claim.execution_id], "two")
    (before,) = hours(scene)
    assert (before.runs, before.failures) == (2, 1)

    with scene.store.database.transaction():
        assert scene.store.nodes.reopen_lost([(claim.execution_id, claim.run_id)]) == {claim.run_id}
    scene.settle([claim], end={"completed_at": NOON + HOUR})

    assert [(hour.runs, hour.successes, hour.failures) for hour in hours(scene)] == [(1, 1, 0), (1, 1, 0)]


def test_what_was_rolled_back_is_not_counted(scene: Scene) -> None:
    scene.ran(end={"duration": 1.0})
    scene.requested()
    claims = scene.claim()
    _settle(scene, random.Random(1), claims, fail=True)
    scene.settle(claims, end={"duration": 3.0})

    (hour,) = hours(scene)
    assert (hour.runs, hour.duration_sum, sum(hour.histogram.values())) == (2, 4.0, 2)


def test_nodes_have_rows_of_their_own_that_read_as_one(scene: Scene) -> None:
    scene.requested()
    scene.settle(scene.claim(node="one"), end={"duration": 1.0})
    scene.requested()
    scene.settle(scene.claim(node="two"), end={"duration": 9.0})

    (hour,) = hours(scene)
    assert columns(scene, "node", "runs") == [("one", 1), ("two", 1)]
    assert (hour.runs, hour.duration_min, hour.duration_max) == (2, 1.0, 9.0)


def test_a_histogram_that_somebody_broke_by_hand_stops_no_run(scene: Scene) -> None:
    scene.ran()
    scene.sql("UPDATE smart_cron_metrics SET duration_histogram = 'nonsense', duration_min = NULL")
    scene.ran(end={"duration": 7.0})

    (hour,) = hours(scene)
    assert (hour.runs, hour.duration_min, dict(hour.histogram)) == (2, 7.0, {bucket_of(7.0): 1})


@pytest.mark.parametrize("text", ["99999:1", "-99999:1 0:" + "9" * 400, "0:-1"])
def test_a_histogram_with_figures_that_cannot_be_stops_no_run(scene: Scene, text: str) -> None:
    scene.ran()
    scene.sql("UPDATE smart_cron_metrics SET duration_histogram = %s, duration_max = NULL", [text])
    scene.ran(end={"duration": 7.0})

    (hour,) = hours(scene)
    assert (hour.runs, hour.duration_max) == (2, 7.0)
    assert hour.histogram[bucket_of(7.0)] == 1


def test_text_where_a_duration_belongs_stops_no_run(scene: Scene) -> None:
    if scene.store.session.dialect.name != "sqlite":
        return  # Others take no text there.
    scene.ran()
    scene.sql("UPDATE smart_cron_metrics SET duration_min = 'nonsense', duration_max = 9e999")
    scene.ran(end={"duration": 7.0})

    (row,) = columns(scene, "runs", "duration_p95")
    assert row == (2, pytest.approx(7.0, rel=0.05))


@pytest.mark.parametrize("changes", [{"enabled": 0}, {"alert_on_failure": 0}, {"anomaly_tolerance": 0}])
def test_watched_are_tasks_of_which_somebody_wants_to_hear(scene: Scene, changes: dict[str, int]) -> None:
    for name in ("report", "silent", "gone"):
        scene.ran(name)
    ((column, value),) = changes.items()
    scene.sql(f"UPDATE smart_cron_tasks_config SET {column} = %s WHERE task_name = 'silent'", [value])
    scene.sql("DELETE FROM smart_cron_tasks_config WHERE task_name = 'gone'")

    counts = scene.store.rollups.counts_by_task(since=NOON, until=NOON + HOUR, watched_only=True)
    assert [each.task_name for each in counts] == ["report"]


def test_counts_of_a_span_by_task(scene: Scene) -> None:
    scene.ran("one")
    scene.ran("one", **FAILED)
    scene.ran("two", end={"completed_at": NOON + 5 * HOUR})

    counts = scene.store.rollups.counts_by_task(since=NOON, until=NOON + HOUR)
    assert [(each.task_name, each.runs, each.successes, each.success_rate) for each in counts] == [("one", 2, 1, 0.5)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_rollups_are_what_the_executions_imply(scene: Scene, seed: int) -> None:
    """Whatever batches, nodes, rollbacks, losses that were none, and other connections."""
    chance = random.Random(seed)
    for name in ("a", "b", "c"):
        scene.add(name, on_overlap=OnOverlap.ALLOW)
    for _ in range(12):
        _some_runs(scene, chance)

    expected = _implied(scene)
    found = {
        (row[0], row[1], scene.store.session.dialect.read_instant(row[2])): tuple(row[3:])
        for row in columns(
            scene,
            "task_id",
            "node",
            "bucket_at",
            "runs",
            "successes",
            "failures",
            "timed_runs",
            "duration_histogram",
            "duration_min",
            "duration_max",
            "output_bytes",
            "memory_peak_mb",
        )
        if row[3]
    }
    assert found == expected


def _some_runs(scene: Scene, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 6)):
        scene.requested(chance.choice("abc"))
    claims = scene.claim(node=chance.choice(("one", "two")))
    chance.shuffle(claims)
    cut = chance.randint(0, len(claims))
    for part in (claims[:cut], claims[cut:]):
        if chance.random() < 0.3:
            _settle(scene, chance, part, fail=True)
        _settle(scene, chance, part, fail=False)
    if chance.random() < 0.4:
        _know_better(scene, chance)
    if chance.random() < 0.2:
        scene.store.database.close()


def _settle(scene: Scene, chance: random.Random, claims: Any, *, fail: bool) -> None:
    try:
        with scene.store.database.transaction():
            runs = scene.open_runs(claims)
            scene.store.records.settle([settlement(run, **_an_outcome(chance)) for run in runs], now=NOON)
            if fail:
                raise RuntimeError
    except RuntimeError:
        return


def _an_outcome(chance: random.Random) -> dict[str, Any]:
    completed_at = NOON + timedelta(seconds=chance.randint(0, 3 * 3600))
    known = {"completed_at": completed_at, "duration": round(chance.lognormvariate(0, 2), 3)}
    used = {"stdout_bytes": chance.randint(0, 99), "memory_peak_bytes": chance.choice((None, 1, 9_999_999))}
    kind = chance.random()
    if kind < 0.2:
        return {**LOST, "end": {**LOST["end"], "completed_at": completed_at}}
    if kind < 0.4:
        return {**FAILED, "alerts": (), "end": known | used}
    if kind < 0.5:
        end = {"completed_at": completed_at, "started_at": None, "cause": EndCause.NEVER_STARTED}
        return {"status": Status.MISSED, "success": False, "counts": False, "end": end}
    return {"end": known | used}


def _know_better(scene: Scene, chance: random.Random) -> None:
    lost = scene.store.session.rows("SELECT id, run_id FROM smart_cron_executions WHERE status = 'lost' ORDER BY id")
    if not lost:
        return
    key = chance.choice(lost)
    scene.store.nodes.note_settled_by([key[0]], "two")
    with scene.store.database.transaction():
        scene.store.nodes.reopen_lost([key])
        runs = scene.store.records.lock_open([key])
        scene.store.records.settle([settlement(run, end={"duration": 1.5}) for run in runs], now=NOON)


def _implied(scene: Scene) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    rows = scene.store.session.dictionaries(
        """SELECT task_id, node, completed_at, status, execution_time, output_bytes, memory_peak_mb
          FROM smart_cron_executions WHERE status NOT IN ('missed', 'waiting', 'claimed', 'running')"""
    )
    groups: dict[tuple[int, str, datetime], list[dict[str, Any]]] = {}
    for row in rows:
        completed_at = scene.store.session.dialect.read_instant(row["completed_at"])
        assert completed_at is not None
        groups.setdefault((row["task_id"], row["node"], hour_of(completed_at)), []).append(row)
    return {key: _sum_of(group) for key, group in groups.items()}


def _sum_of(rows: list[dict[str, Any]]) -> tuple[Any, ...]:
    timed = [row for row in rows if row["status"] != "lost"]
    # FLOAT of MariaDB keeps seven digits, so durations are compared by what they were rounded to.
    durations = [round(float(row["execution_time"]), 3) for row in timed]
    wins = sum(row["status"] == "success" for row in rows)
    histogram: dict[int, int] = {}
    for duration in durations:
        histogram[bucket_of(duration)] = histogram.get(bucket_of(duration), 0) + 1
    return (
        len(rows),
        wins,
        len(rows) - wins,
        len(timed),
        to_text(histogram) or None,
        min(durations, default=None),
        max(durations, default=None),
        sum(row["output_bytes"] for row in timed),
        max((row["memory_peak_mb"] for row in timed if row["memory_peak_mb"] is not None), default=None),
    )


def test_days_are_the_sum_of_their_hours(scene: Scene) -> None:
    for number, at in enumerate((NOON, NOON + HOUR, NOON + 13 * HOUR)):
        scene.ran(end={"duration": float(number + 1), "completed_at": at})

    first, second = by_day(hours(scene))
    assert (first.bucket_at, first.runs, first.duration_sum) == (NOON - 12 * HOUR, 2, 3.0)
    assert (second.bucket_at, second.runs, second.duration_p50) == (NOON + 12 * HOUR, 1, 3.0)


# samples and pasts -----------------------------------------------------------------------------------------


def test_samples_are_kept_and_the_newest_of_each_node_is_known(scene: Scene) -> None:
    now = scene.store.database.now()
    old = NodeSample(node="one", sampled_at=now - MINUTE, cpu_percent=10.0, running=1)
    new = NodeSample(node="one", sampled_at=now, cpu_percent=20.5, disk_free_mb=5_000_000, unrecorded=3)
    other = NodeSample(node="two", sampled_at=now)
    for sample in (old, new, other):
        scene.store.samples.add(sample)

    assert scene.store.samples.latest() == [new, other]
    assert scene.store.samples.series(node="one", since=now - HOUR, until=now) == [old]


def test_runs_under_way_are_counted_by_node_and_waiting_ones_together(scene: Scene) -> None:
    scene.requested("a")
    scene.claim(node="one")
    scene.requested("b")
    scene.requested("c")

    assert scene.store.samples.counts(node="one") == (1, 2)
    assert scene.store.samples.counts(node="two") == (0, 2)


def test_the_past_of_a_task_is_its_last_successes(scene: Scene) -> None:
    for seconds in (1.0, 2.0, 3.0):
        scene.ran(end={"duration": seconds, "stdout_bytes": 7, "stderr_bytes": 1, "memory_peak_bytes": 5})
    scene.ran(**FAILED)
    scene.ran("other")

    past = scene.store.pasts.last_successes(scene.task().id, limit=2)
    assert [(sample.duration, sample.output_bytes) for sample in past] == [(2.0, 8), (3.0, 8)]
    assert past[0].memory_peak_bytes == 1024 * 1024


def test_a_run_is_traced_by_its_instants(scene: Scene) -> None:
    number = scene.ran(**FAILED)
    waiting = scene.requested("other")

    (run,) = scene.store.traces.traced([number, waiting, 999_999])

    assert (run.execution_id, run.task_name, run.status, run.node, run.exit_code) == (
        number,
        "report",
        "failed",
        "one",
        3,
    )
    assert (run.scheduled_for, run.claimed_at, run.started_at) == (None, NOON, NOON)
    assert run.completed_at == NOON + 2 * SECOND


# figures ---------------------------------------------------------------------------------------------------


def test_figures_name_the_tasks_with_most_runs_and_sum_up_the_rest(scene: Scene) -> None:
    for name, times in (("a", 3), ("b", 1), ("c", 2), ("d", 1)):
        for _ in range(times):
            scene.ran(name, end={"duration": 2.0})
    scene.sql("UPDATE smart_cron_tasks_config SET enabled = 0 WHERE task_name = 'd'")

    figures = scene.store.figures.figures(named=2)

    assert [task.name for task in figures.named_tasks] == ["a", "c", "_others"]
    first, _, others = figures.named_tasks
    assert (first.successes, first.timed_runs, first.timed_seconds, first.last_run_at) == (3, 3, 6.0, NOON)
    assert (others.successes, others.timed_seconds) == (2, 4.0)
    assert figures.tasks == {"enabled": 3, "disabled": 1}


def test_of_tasks_with_as_many_runs_each_is_named_or_summed_up_once(scene: Scene) -> None:
    for name in ("a", "b", "c", "d"):
        scene.ran(name, end={"duration": 2.0})

    for limit, named in enumerate((["_others"], ["a", "_others"], ["a", "b", "_others"], ["a", "b", "c", "_others"])):
        tasks = scene.store.figures.figures(named=limit).named_tasks
        assert [task.name for task in tasks] == named
        assert sum(task.successes for task in tasks) == 4


def test_figures_count_what_waits_runs_and_stands_open(scene: Scene) -> None:
    scene.ran("a", **FAILED)
    scene.requested("b")
    scene.claim()
    scene.requested("c")

    figures = scene.store.figures.figures(named=10)

    assert figures.open_alerts == {"error": 1}
    assert (figures.running, figures.waiting["waiting"], figures.waiting["delayed"]) == (1, 1, 0)
    assert (figures.deliveries_pending, figures.deliveries_failed) == (0, 0)
    assert [task.running for task in figures.named_tasks if task.name == "b"] == [1]


def test_an_empty_database_has_figures_too(scene: Scene) -> None:
    figures = scene.store.figures.figures(named=10)

    assert (figures.named_tasks, dict(figures.tasks), figures.samples) == ((), {}, ())
    assert (figures.lateness_runs, figures.lateness_max) == (0, None)


def test_the_merged_percentile_is_within_five_percent(scene: Scene) -> None:
    chance = random.Random(1)
    durations = [chance.lognormvariate(1, 1) for _ in range(40)]
    scene.add(on_overlap=OnOverlap.ALLOW)
    for duration in durations:
        scene.requested()
        scene.settle(scene.claim(node=chance.choice("xy")), end={"duration": duration})

    (hour,) = hours(scene)
    assert hour.duration_p50 == pytest.approx(sorted(durations)[19], rel=0.05)
    assert hour.duration_p95 == pytest.approx(sorted(durations)[37], rel=0.05)
    stored = columns(scene, "duration_histogram")[0][0]
    assert quantile(from_text(stored), 0.5) is not None
