"""Runs by any filter, on each database: found, in order, page by page, and summed up."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from tests.conformance.scene import FAILED, MINUTE, NOON, Scene
from tests.conformance.test_indexes import crowd, crowded, faults, watched

from smart_cron.core.errors import UnknownRunError
from smart_cron.core.histogram import counted
from smart_cron.core.ports.runs import RunReads
from smart_cron.core.run import Status, Trigger
from smart_cron.core.run_filter import RunFilter, RunPage, RunPlace
from smart_cron.store.gateway import Store

__all__ = ["crowd", "crowded"]
HOUR = timedelta(hours=1)
# A page, or the rows that one looks at, may be sorted.
SORTS = re.compile(r"^Sort$|^USE TEMP B-TREE|^\"filesort\"")
# What there is: a column's value for each of the runs, the oldest first.
RUNS: tuple[dict[str, Any], ...] = (
    {"task_id": 1, "status": "success", "exit_code": 0, "node": "one", "execution_time": 1.0},
    {"task_id": 1, "status": "failed", "exit_code": 3, "node": "two", "execution_time": 90.0, "task_group": "db"},
    {"task_id": 2, "status": "success", "exit_code": 0, "triggered_by": "manual", "execution_time": 2.0},
    {"task_id": 2, "status": "start_failed", "started_at": None},
    {"task_id": 1, "status": "skipped", "started_at": None, "completed_at": None},
    {"task_id": 2, "status": "timeout", "exit_code": 124, "triggered_by": "retry", "task_group": "db"},
    {"task_id": 1, "status": "running", "completed_at": None, "node": "one"},
    {"task_id": 2, "status": "waiting", "started_at": None, "completed_at": None},
)
FILTERS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "87654321"),
    "a task": ({"task_id": 1}, "7521"),
    "a failure": ({"statuses": (Status.FAILED,)}, "2"),
    "failures": ({"statuses": (Status.FAILED, Status.TIMEOUT, Status.START_FAILED)}, "642"),
    "successes": ({"statuses": (Status.SUCCESS,)}, "31"),
    "what never started": ({"statuses": (Status.MISSED, Status.SKIPPED)}, "5"),
    "what is under way": ({"statuses": (Status.RUNNING, Status.WAITING, Status.DELAYED)}, "87"),
    "states of all kinds": ({"statuses": (Status.SUCCESS, Status.FAILED, Status.RUNNING, Status.SKIPPED)}, "75321"),
    "a task's failures": ({"task_id": 2, "statuses": (Status.TIMEOUT, Status.START_FAILED)}, "64"),
    "since": ({"since": NOON + 3 * HOUR}, "763"),
    "until": ({"until": NOON + 3 * HOUR}, "21"),
    "a span": ({"since": NOON + 2 * HOUR, "until": NOON + 6 * HOUR}, "32"),
    "failures of a span, by their ends": (
        {"statuses": (Status.FAILED, Status.START_FAILED), "since": NOON + 3 * HOUR, "until": NOON + 6 * HOUR},
        "4",
    ),
    "a task's runs of a span": ({"task_id": 1, "since": NOON + 2 * HOUR, "until": NOON + 9 * HOUR}, "72"),
    "running since": ({"statuses": (Status.RUNNING,), "since": NOON + 3 * HOUR}, "7"),
    "successes since": ({"statuses": (Status.SUCCESS,), "since": NOON + 2 * HOUR}, "3"),
    "a trigger": ({"trigger": Trigger.MANUAL}, "3"),
    "a node": ({"node": "one"}, "71"),
    "an exit code": ({"exit_code": 0}, "31"),
    "at least so long": ({"least_seconds": 2.0}, "32"),
    "at most so long": ({"most_seconds": 2.0}, "31"),
    "all at once": (
        {"task_id": 1, "statuses": (Status.FAILED,), "node": "two", "exit_code": 3, "trigger": Trigger.CRON}, "2"
    ),
    "a group": ({"groups": frozenset({"db"})}, "62"),
    "those without a group": ({"groups": frozenset({""})}, "875431"),
    "no group": ({"groups": frozenset()}, ""),
    "a quote": ({"node": "x' OR '1'='1"}, ""),
}  # fmt: skip


@pytest.fixture
def runs(scene: Scene) -> Scene:
    """Those above, each an hour after the one before."""
    instant = scene.store.session.dialect.instant
    scene.sql("DELETE FROM smart_cron_executions")
    for number, run in enumerate(RUNS, 1):
        at = NOON + number * HOUR
        row = {
            "id": number,
            "task_name": f"task {run['task_id']}",
            "started_at": instant(at),
            "completed_at": instant(at + MINUTE),
            "scheduled_for": instant(at),
            **run,
        }
        marks = ", ".join(["%s"] * len(row))
        scene.sql(f"INSERT INTO smart_cron_executions ({', '.join(row)}) VALUES ({marks})", list(row.values()))
    return scene


def windowed(store: Store, rows: int) -> RunReads:
    # Models can be imported only once a store is open.
    from smart_cron.store.run_search import RunSearch

    return RunSearch(store.session, window=rows)


def found(page: RunPage) -> str:
    return "".join(str(row["id"]) for row in page.rows)


@pytest.mark.parametrize("name", FILTERS)
def test_each_filter_finds_its_runs_newest_first(runs: Scene, name: str) -> None:
    wanted, expected = FILTERS[name]

    page = runs.store.runs.page(RunFilter(**wanted))

    assert (found(page), page.is_cut) == (expected, False)


@pytest.mark.parametrize("name", FILTERS)
def test_pages_of_two_go_down_and_up_again_without_gap_or_repeat(runs: Scene, name: str) -> None:
    wanted, expected = FILTERS[name]
    reads, asked = runs.store.runs, RunFilter(**wanted)

    pages = [reads.page(asked, limit=2)]
    while pages[-1].older:
        pages.append(reads.page(asked, before=pages[-1].older, limit=2))
    assert "".join(map(found, pages)) == expected
    back = [pages[-1]]
    while back[-1].newer:
        back.append(reads.page(asked, after=back[-1].newer, limit=2))
    assert "".join(found(page) for page in reversed(back)) == expected


@pytest.mark.parametrize("name", FILTERS)
def test_what_no_index_finds_is_looked_for_piece_by_piece_and_found_all_the_same(runs: Scene, name: str) -> None:
    wanted, expected = FILTERS[name]
    reads, asked = windowed(runs.store, 2), RunFilter(**wanted)

    pages = [reads.page(asked)]
    while pages[-1].older:
        pages.append(reads.page(asked, before=pages[-1].older))
        assert len(pages) < 10
    assert "".join(map(found, pages)) == expected
    back = [reads.page(asked, after=RunPlace(id=0, at=NOON))]
    while back[-1].newer:
        back.append(reads.page(asked, after=back[-1].newer))
        assert len(back) < 12
    assert "".join(found(page) for page in reversed(back)) == expected


def test_a_page_that_was_cut_says_so(runs: Scene) -> None:
    reads = windowed(runs.store, 3)

    page = reads.page(RunFilter(node="two"))

    assert (found(page), page.is_cut, page.older) == ("", True, RunPlace(id=6))


def test_a_reader_of_few_tasks_gets_their_runs_by_task(scene: Scene) -> None:
    for name, group in (("mine", "db"), ("others", "web")):
        scene.add(name, group=group)
    numbers = {name: scene.requested(name) for name in ("mine", "others")}

    with watched(scene.store) as seen:
        page = scene.store.runs.page(RunFilter(groups=frozenset({"db"})))

    assert [row["id"] for row in page.rows] == [numbers["mine"]]
    assert any("WHERE task_id = " in sql for sql, _ in seen)


@pytest.mark.parametrize("name", FILTERS)
def test_no_filter_reads_all_executions(crowd: Scene, name: str) -> None:
    with watched(crowd.store) as seen:
        windowed(crowd.store, 500).page(RunFilter(**FILTERS[name][0]), limit=10)

    for sql, params in seen:
        # What is bounded by numbers, to a hundred rows, or to the first and the last, may be read from end to end.
        bounded = any(words in sql.replace("?", "%s") for words in ("id >= %s", "LIMIT 100)", "(SELECT MAX(id)"))
        if "smart_cron_executions" in sql and not bounded:
            slow = faults(crowd.store, sql, params)
            assert [fault for fault in slow if not SORTS.search(fault)] == [], sql


def test_one_run_is_found_by_number_and_by_run_id_without_its_output(scene: Scene) -> None:
    number = scene.ran(stdout_copy="printed")
    run_id = scene.execution(number)["run_id"]

    by_number, by_run_id = scene.store.runs.brief(str(number)), scene.store.runs.brief(run_id)

    assert by_number == by_run_id
    assert by_number["status"] == "success"
    assert "stdout_output" not in by_number
    for nobody in ("999999", "no such run", "9" * 30):
        with pytest.raises(UnknownRunError):
            scene.store.runs.brief(nobody)


def test_the_attempts_of_a_slot_come_in_order(runs: Scene) -> None:
    slot = runs.execution(1)["scheduled_for"]
    instant = runs.store.session.dialect.instant
    runs.sql(
        """INSERT INTO smart_cron_executions (id, task_id, task_name, status, scheduled_for, attempt)
         VALUES (20, 1, 'task 1', 'delayed', %s, 2)""",
        [instant(slot)],
    )

    attempts = runs.store.runs.of_slot(task_id=1, slot=slot)

    assert [(row["id"], row["attempt"]) for row in attempts] == [(1, 1), (20, 2)]


def test_sums_are_those_of_the_filter(scene: Scene) -> None:
    scene.add("mine", group="db")
    for duration in (2.0, 4.0):
        scene.ran("mine", end={"duration": duration})
    scene.ran("mine", **FAILED, end={"duration": 9.0})
    scene.ran("others", end={"duration": 100.0})
    reads, task_id = scene.store.runs, scene.task("mine").id
    span = {"since": NOON, "until": NOON + HOUR}

    everything = reads.sums(RunFilter(), **span)
    mine = reads.sums(RunFilter(task_id=task_id), **span)

    assert (everything.runs, everything.duration_max) == (4, 100.0)
    assert (mine.runs, mine.successes, mine.duration_sum, mine.duration_max) == (3, 2, 15.0, 9.0)
    assert reads.sums(RunFilter(groups=frozenset({"db"})), **span) == mine
    assert reads.sums(RunFilter(node="one"), **span) == everything
    assert reads.sums(RunFilter(node="nowhere"), **span).runs == 0
    assert reads.sums(RunFilter(), since=NOON + HOUR, until=NOON + 2 * HOUR).runs == 0
    assert reads.histogram(RunFilter(task_id=task_id), **span) == counted([2.0, 4.0, 9.0])


def test_nodes_are_named(scene: Scene) -> None:
    assert list(scene.store.runs.nodes()) == []
