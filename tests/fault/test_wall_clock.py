"""The wall clock is set by hours, either way, under a master at work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from benchmarks.chaos_ground import Ground
from benchmarks.chaos_tasks import TaskPlan, accounted, own_runs, stamp
from benchmarks.processes import wait_until

from .conftest import PATIENCE_SECONDS, GroundMaker, Mishap, lasting, said, through
from .wall_clock import WallClock

pytestmark = pytest.mark.slow


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path)


def test_a_clock_set_by_hours_either_way_loses_and_doubles_nothing(make_ground: GroundMaker, clock: WallClock) -> None:
    ground = make_ground(**clock.settings)

    def step(ahead: timedelta) -> Callable[[], Callable[[], object]]:
        def harm() -> Callable[[], object]:
            clock.set(ahead)
            return lambda: None

        return harm

    verdict = through(
        ground,
        Mishap(harm=step(timedelta(hours=3)), noticed=lasting(1.0)),
        Mishap(harm=step(timedelta(hours=5)), noticed=lasting(1.0)),
        Mishap(harm=step(timedelta(hours=2)), noticed=lambda: len(said(ground, "The clock was set back")) == 1),
        Mishap(harm=step(timedelta()), noticed=lambda: len(said(ground, "The clock was set back")) == 2),
    )

    assert verdict.is_clean, verdict.faults


# In Berlin the hour from 2 to 3 comes twice that night: at 00:00Z and again at 01:00Z.
CHANGE = datetime(2030, 10, 27, 1, tzinfo=UTC)
NIGHTLY, HOURLY = "chaos_1", "chaos_2"


def test_a_job_of_the_doubled_hour_runs_once_and_an_hourly_one_in_both(
    make_ground: GroundMaker, clock: WallClock
) -> None:
    ground = make_ground(SMART_CRON_TIME_ZONE="Europe/Berlin", **clock.settings)
    node = ground.nodes[0]

    def time_is(moment: datetime) -> None:
        clock.set(moment - datetime.now(UTC))

    tasks = [_task(NIGHTLY, "0 2 * * *"), _task(HOURLY, "0 * * * *")]
    time_is(CHANGE - timedelta(hours=1, minutes=30))
    ground.insert(tasks)
    node.start()
    wait_until(lambda: accounted(ground.connection, tasks) is not None, what="planning", seconds=PATIENCE_SECONDS)
    time_is(CHANGE - timedelta(hours=1, seconds=1))
    wait_until(lambda: _started(ground, NIGHTLY, HOURLY), what="the first of the two hours", seconds=PATIENCE_SECONDS)
    time_is(CHANGE - timedelta(seconds=1))
    wait_until(lambda: _started(ground, HOURLY, HOURLY), what="the second one", seconds=PATIENCE_SECONDS)
    time_is(CHANGE + timedelta(minutes=59, seconds=59))
    wait_until(lambda: _started(ground, HOURLY, HOURLY, HOURLY), what="the hour after", seconds=PATIENCE_SECONDS)
    node.stop()

    slots = {(entry["task"], entry["scheduled_for"]) for entry in ground.read_ledger()}
    hours = [stamp(CHANGE + timedelta(hours=number)) for number in (-1, 0, 1)]
    assert slots == {(NIGHTLY, hours[0]), *((HOURLY, hour) for hour in hours)}


def _task(name: str, pattern: str) -> TaskPlan:
    return TaskPlan(
        name=name,
        pattern=pattern,
        on_overlap="allow",
        on_missed="latest",
        max_retries=0,
        retry_lost=False,
        priority=5,
    )


def _started(ground: Ground, *names: str) -> bool:
    started = [one.task for one in own_runs(ground.records).values()]
    return all(started.count(name) >= names.count(name) for name in names)
