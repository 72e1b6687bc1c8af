"""Slots that once fell through: each of these stories lost or doubled a line of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.engine.scripted import NOON, Bench, emptied, open_bench_store

from smart_cron.core.run import Trigger
from smart_cron.core.task import OnMissed, Task
from smart_cron.services.ledger import entries
from smart_cron.store.gateway import Store

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def holes_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder: Path = tmp_path_factory.mktemp("holes")
    store = open_bench_store(folder, "holes")
    yield store
    store.database.close()


@pytest.fixture
def bench(holes_store: Store) -> Bench:
    return Bench(emptied(holes_store))


def every_ten_minutes(bench: Bench, **changes: Any) -> Task:
    task = bench.add(schedule="*/10 * * * *", **changes)
    bench.turn()
    return task


def told(bench: Bench, task: Task) -> list[int]:
    """Return the minutes past noon of the slots that the ledger tells, first attempts only."""
    lines = entries(bench.store.ledger, task.id, since=None, until=None)
    return sorted(_minute(line) for line in lines if _is_first(line))


def _is_first(line: Any) -> bool:
    return hasattr(line, "slot") or (line.attempt == 1 and line.triggered_by == Trigger.CRON)


def _minute(line: Any) -> int:
    slot = line.slot if hasattr(line, "slot") else line.scheduled_for
    return int((slot - NOON) // MINUTE)


def test_slots_that_came_due_before_a_task_was_deleted_are_missed(bench: Bench) -> None:
    task = every_ten_minutes(bench)
    bench.clock.advance(3605)

    bench.store.tasks.remove(task.id, actor="test", now=bench.clock.now())

    assert told(bench, task) == [10, 20, 30, 40, 50, 60]


def test_slots_that_came_due_before_a_pattern_became_unreadable_are_missed(bench: Bench) -> None:
    task = every_ten_minutes(bench, on_missed=OnMissed.SKIP)
    bench.clock.advance(1805)
    bench.sql("UPDATE smart_cron_tasks_config SET schedule_pattern = 'nonsense'")
    bench.turn()
    bench.clock.advance(60)

    bench.sql("UPDATE smart_cron_tasks_config SET schedule_pattern = '0 0 * * *'")
    bench.turn()

    assert told(bench, task) == [10, 20, 30]


def test_a_slot_set_by_hand_into_a_missed_stretch_is_told_at_its_own_instant(bench: Bench) -> None:
    task = every_ten_minutes(bench, on_missed=OnMissed.SKIP)
    bench.clock.advance(3605)

    bench.store.tasks.set_next_run(task.id, NOON + 25 * MINUTE, actor="test")
    bench.turn()

    assert told(bench, task) == [10, 20, 25, 30, 40, 50, 60]


def test_a_slot_that_ran_is_told_once_though_the_clock_was_set_back_twice(bench: Bench) -> None:
    task = every_ten_minutes(bench, on_missed=OnMissed.SKIP)

    def set_back(seconds: float) -> None:
        bench.clock.step(-seconds)
        bench.cycle.forget_future(beyond=bench.clock.now())
        bench.turn()

    bench.clock.step(1805)
    bench.turn()
    bench.launcher.end_all()
    bench.turn()
    set_back(1800)
    bench.clock.advance(3605)
    bench.turn()
    set_back(1500)

    assert told(bench, task) == [10, 20, 30, 60]
