"""Many at once: what was missed is made up for at a measured pace and starves nothing that is due now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.engine.scripted import NOON, Bench

from smart_cron.core.task import OnMissed, OnOverlap
from smart_cron.engine.planner import OVERDUE_CHUNK

MakeBench = Callable[..., Bench]
HOUR = 3600.0


def one_turn(bench: Bench) -> None:
    """One look and no more: what is left to do is left."""
    bench.cycle.hear(timeout=0)
    bench.cycle.act(look=True)


def started(bench: Bench) -> list[str]:
    return [claim.task.name for claim in bench.launcher.launched]


def slots(bench: Bench, name: str) -> list[datetime | None]:
    return [claim.scheduled_for for claim in bench.launcher.launched if claim.task.name == name]


def crowd(bench: Bench, count: int, **changes: Any) -> None:
    bench.add_planned(*(f"old{number:04d}" for number in range(count)), **changes)


def test_a_backlog_of_missed_slots_does_not_hide_what_is_due_now(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=10, catch_up_per_minute=60)
    crowd(bench, OVERDUE_CHUNK + 20, schedule="*/5 * * * *", on_missed=OnMissed.ALL)
    bench.add_planned("now", schedule="0 13 * * *")

    bench.clock.advance(HOUR)
    one_turn(bench)

    assert "now" in started(bench)


def test_missed_slots_are_made_up_for_at_the_pace_that_is_set(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=1000, catch_up_per_minute=60)
    crowd(bench, 40, schedule="30 12 * * *")
    bench.clock.advance(HOUR)

    one_turn(bench)

    assert len(started(bench)) == 5
    for _ in range(10):
        bench.clock.advance(1.0)
        one_turn(bench)
    assert len(started(bench)) == 15


def test_a_master_looks_again_while_missed_slots_are_held_back(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=1000, catch_up_per_minute=60)
    crowd(bench, 40, schedule="30 12 * * *")
    bench.clock.advance(HOUR)

    one_turn(bench)

    assert bench.cycle.has_work
    assert bench.cycle.next_due_at is not None
    assert bench.cycle.next_due_at <= bench.clock.now() + timedelta(seconds=1)


def test_the_most_urgent_of_the_missed_slots_come_first(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=1000, catch_up_per_minute=60)
    crowd(bench, 10, schedule="30 12 * * *", priority=7)
    bench.add_planned("urgent", schedule="45 12 * * *", priority=1)
    bench.clock.advance(HOUR)

    one_turn(bench)

    assert started(bench)[0] == "urgent"


def test_a_slot_that_is_barely_late_is_not_held_back(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=1000, catch_up_per_minute=1)
    crowd(bench, 20, schedule="0 13 * * *")
    bench.clock.advance(HOUR + 30)

    one_turn(bench)

    assert len(started(bench)) == 20


def test_every_missed_slot_of_an_all_task_runs_once_in_order(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=5, catch_up_per_minute=100_000)
    bench.add_planned("all", on_missed=OnMissed.ALL, on_overlap=OnOverlap.SKIP)
    bench.clock.advance(5 * HOUR)

    while len(slots(bench, "all")) < 300:
        bench.clock.advance(0.01)
        bench.turn()
        bench.launcher.end_all()

    assert slots(bench, "all")[:300] == [NOON + timedelta(minutes=number) for number in range(1, 301)]


def test_the_bound_over_all_nodes_holds_beside_the_nodes_own(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=10, max_concurrent_total=4)
    two = Bench(bench.store, node="two", incarnation="boot:other", max_concurrent=10, max_concurrent_total=4)
    for number in range(10):
        bench.ask(bench.add(f"task{number}"))

    bench.turn()
    two.turn()

    assert (len(bench.launcher.launched), len(two.launcher.launched)) == (4, 0)
    bench.launcher.end_all()
    bench.turn()
    assert len(bench.launcher.launched) + len(two.launcher.launched) == 8
