"""Places of runs that ended go to the next in line before the results are recorded, and what that must not change."""

from __future__ import annotations

import pytest
from tests.engine.scripted import Bench
from tests.unit.engine.conftest import MakeBench

from smart_cron.core.errors import DatabaseUnavailableError, TaskRunnerError
from smart_cron.core.task import OnOverlap
from smart_cron.engine.ripeness import MOST_UNRECORDED, RECORD_PATIENCE_SECONDS


def line_up(bench: Bench, count: int) -> None:
    """Ask for a run of each of so many tasks, and fill the places."""
    for task in bench.add_planned(*(f"t{number:03}" for number in range(count))):
        bench.ask(task)
    bench.turn()


def end_some(bench: Bench, count: int) -> None:
    for run_id in list(bench.launcher.living)[:count]:
        bench.launcher.end(run_id)
    bench.cycle.hear(timeout=0)


def names(bench: Bench) -> list[str]:
    return [claim.task.name for claim in bench.launcher.launched]


def test_the_next_in_line_start_before_results_are_recorded(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=2)
    line_up(bench, 6)
    end_some(bench, 2)

    bench.cycle.act(look=False)

    assert names(bench) == ["t000", "t001", "t002", "t003"]
    assert bench.statuses().count("success") == 0
    assert len(bench.launcher.living) == 2


def test_results_that_were_put_off_are_recorded_soon(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=2)
    line_up(bench, 6)
    end_some(bench, 2)
    bench.cycle.act(look=False)
    assert bench.clock.boottime() < bench.cycle.ripe_at <= bench.clock.boottime() + RECORD_PATIENCE_SECONDS

    bench.clock.advance(RECORD_PATIENCE_SECONDS)
    bench.cycle.act(look=False)

    assert bench.statuses().count("success") == 2
    assert len(bench.launcher.discarded) == 2


@pytest.mark.slow
def test_many_results_are_recorded_in_the_turn_that_refills_their_places(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=MOST_UNRECORDED)
    line_up(bench, 2 * MOST_UNRECORDED + 10)
    end_some(bench, MOST_UNRECORDED)

    bench.cycle.act(look=False)

    assert len(bench.launcher.launched) == 2 * MOST_UNRECORDED
    assert bench.statuses().count("success") == MOST_UNRECORDED


def test_there_are_never_more_runs_than_places(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=3)
    line_up(bench, 20)

    while bench.launcher.living:
        assert len(bench.launcher.living) <= 3
        end_some(bench, 2)
        bench.cycle.act(look=False)
        bench.clock.advance(RECORD_PATIENCE_SECONDS / 2)
        bench.cycle.act(look=False)

    bench.turn()
    assert bench.statuses() == ["success"] * 20
    assert len(set(names(bench))) == len(names(bench)) == 20


def test_what_an_end_sets_free_is_not_overtaken_by_what_is_less_urgent(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=1)
    [urgent] = bench.add_planned("urgent", priority=1, on_overlap=OnOverlap.QUEUE)
    bench.ask(urgent)
    bench.ask(urgent)
    for task in bench.add_planned("a", "b", priority=9):
        bench.ask(task)
    bench.turn()

    end_some(bench, 1)
    bench.cycle.act(look=False)

    assert names(bench) == ["urgent", "urgent"]


def test_a_place_in_a_group_goes_to_the_most_urgent_of_the_group(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=1, group_limits={"shop": 1})
    for name, priority in (("first", 1), ("second", 2)):
        [task] = bench.add_planned(name, priority=priority, group="shop")
        bench.ask(task)
    [other] = bench.add_planned("other", priority=9)
    bench.ask(other)
    bench.turn()

    end_some(bench, 1)
    bench.cycle.act(look=False)

    assert names(bench) == ["first", "second"]


def test_a_task_runner_lost_while_places_are_refilled_costs_no_result(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=2)
    line_up(bench, 6)
    end_some(bench, 2)
    bench.launcher.fail("launch")

    with pytest.raises(TaskRunnerError):
        bench.cycle.act(look=False)
    bench.cycle.sweep()
    bench.turn()

    assert bench.statuses().count("success") == 2
    assert names(bench) == ["t000", "t001", "t002", "t003"]


def test_a_database_lost_while_places_are_refilled_starts_nothing_and_loses_no_result(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=2)
    line_up(bench, 6)
    end_some(bench, 2)
    bench.database.troubles = ["gone"]

    with pytest.raises(DatabaseUnavailableError):
        bench.cycle.act(look=False)

    assert names(bench) == ["t000", "t001"]
    bench.turn()
    assert bench.statuses().count("success") == 2
    assert names(bench) == ["t000", "t001", "t002", "t003"]


def test_a_lost_reply_to_the_refilling_commit_starts_nothing_twice(make_bench: MakeBench) -> None:
    bench = make_bench(max_concurrent=2)
    line_up(bench, 6)
    end_some(bench, 2)
    bench.database.troubles = ["reply lost"]

    with pytest.raises(DatabaseUnavailableError):
        bench.cycle.act(look=False)
    bench.cycle.sweep()
    bench.turn()

    assert sorted(names(bench)) == ["t000", "t001", "t002", "t003"]
    assert bench.statuses().count("success") == 2
