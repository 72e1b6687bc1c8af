from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from tests.unit.cli.conftest import Call, Result

from smart_cron.core.run import ErrorType, Status
from smart_cron.core.run_remains import left_behind
from smart_cron.faces.cli.task_run import exit_code_of
from smart_cron.wiring import House

Add = Callable[..., Result]
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def _row(status: Status, *, exit_code: int | None = None, started: bool = True) -> dict[str, object]:
    return {"status": str(status), "exit_code": exit_code, "started_at": NOON if started else None}


def test_the_tasks_own_code_is_ours() -> None:
    assert exit_code_of(_row(Status.FAILED, exit_code=7)) == 7
    assert exit_code_of(_row(Status.SUCCESS, exit_code=3)) == 3
    assert exit_code_of(_row(Status.TIMEOUT, exit_code=124)) == 124


def test_what_never_started_is_125() -> None:
    for status in (Status.START_FAILED, Status.MISSED, Status.WAITING, Status.BLOCKED):
        assert exit_code_of(_row(status)) == 125
    assert exit_code_of(_row(Status.KILLED, started=False)) == 125


def test_an_end_that_nobody_saw_is_a_failure() -> None:
    assert exit_code_of(_row(Status.LOST)) == 1


def test_leftovers_are_read_from_the_row() -> None:
    text = '{"leftovers": ["12:sleep"], "unkillable": []}'

    assert left_behind({"leftovers": text}) == {"leftovers": ["12:sleep"], "unkillable": []}
    assert left_behind({"leftovers": None}) == {"leftovers": [], "unkillable": []}
    assert left_behind({"leftovers": "torn {"})["leftovers"] == ["torn {"]


@pytest.mark.slow
def test_runs_are_listed_newest_first_and_paged(call: Call, add: Add) -> None:
    for name in ("a", "b", "c"):
        add(name)
        call("task", "run", name)

    rows = call("run", "list", "--json").document

    assert [row["task_name"] for row in rows] == ["c", "b", "a"]
    assert [row["id"] for row in call("run", "list", "--before", "2", "--json").document] == [1]
    assert [row["id"] for row in call("execution", "list", "-n", "1", "--json").document] == [3]
    assert [row["id"] for row in call("run", "list", "--task", "b", "--json").document] == [2]
    assert call("run", "list", "--status", "failed", "--json").document == []
    assert len(call("run", "list").out.splitlines()) == 4


def test_a_run_that_has_not_started_is_shown_and_ended(call: Call, add: Add, house: House) -> None:
    add("a")
    call("task", "run", "a")

    assert "waiting" in call("run", "show", "1").out
    assert "would be ended" in call("run", "kill", "1", "--dry-run").out
    assert "will not start" in call("run", "kill", "1").out

    assert house.store.history.run("1")["status"] == Status.KILLED
    assert "over already" in call("run", "kill", "1").err


def test_an_unknown_run_is_said(call: Call, house: House) -> None:
    assert house.store.history.runs() == []
    for words in (("show",), ("logs",), ("kill",), ("retry",)):
        result = call("run", *words, "99")

        assert result.code == 1
        assert "there is no run 99" in result.err


def test_a_run_is_repeated_with_its_arguments(call: Call, add: Add, house: House) -> None:
    add("a")
    call("task", "run", "a")
    call("run", "kill", "1")

    assert "Would run 'a' again" in call("run", "retry", "1", "--dry-run").out
    assert call("run", "retry", "1").code == 0
    assert house.store.history.run("2")["triggered_by"] == "manual"


def test_a_run_of_a_deleted_task_is_not_repeated_as_one_of_another_that_has_its_name(call: Call, add: Add) -> None:
    add("a")
    call("task", "run", "a")
    call("run", "kill", "1")
    call("task", "remove", "a", "--yes")
    add("a")

    result = call("run", "retry", "1")

    assert result.code == 1
    assert result.err == "smart-cron: the task 'a' of run 1 was deleted. 'smart-cron task list' shows them all.\n"


def test_history_of_a_task_is_its_runs_and_gaps(call: Call, add: Add) -> None:
    add("a")
    call("task", "run", "a")

    document = call("task", "history", "a", "--json").document

    assert [row["id"] for row in document["runs"]] == [1]
    assert document["not_run"] == []
    assert "manual" in call("task", "history", "a").out


def test_output_that_is_not_there_yet_is_said(call: Call, add: Add) -> None:
    add("a")
    call("task", "run", "a")

    result = call("run", "logs", "1")

    assert result.out == ""
    assert "has printed nothing yet" in result.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is somebody else in a home")
@pytest.mark.parametrize("words", [["task", "run", "report"], ["run", "retry", "1"]])
def test_a_run_that_would_be_refused_leaves_nothing_queued(
    call: Call, add: Callable[..., object], house: House, words: list[str]
) -> None:
    add("report")
    house.store.tasks.request_run(
        house.store.tasks.get("report").id, arguments=None, actor="test", now=house.clock.now()
    )
    house.store.history.request_cancel(1, reason=ErrorType.CANCELLED, actor="test", now=house.clock.now())
    for path in (house.config.home, *house.config.home.rglob("*")):
        shutil.chown(path, "nobody")

    result = call(*words, "--wait")

    assert result.code == 1
    assert "runuser -u nobody" in result.err
    assert [row["id"] for row in house.store.history.runs()] == [1]


def test_history_of_a_removed_task_is_shown(call: Call, add: Add) -> None:
    add("a")
    call("task", "run", "a")
    call("run", "kill", "1")
    call("task", "remove", "a", "--yes")

    result = call("task", "history", "a")

    assert result.code == 0, result.err
    assert "Task 'a' was removed" in result.err
    assert "killed" in result.out
    assert call("task", "history", "nobody").code == 1


def test_removing_a_task_names_the_run_that_goes_on(call: Call, add: Add, house: House) -> None:
    add("a")
    call("task", "run", "a")
    with house.store.database.transaction():
        house.store.claims.claim([(1, "run-1")], node="n", incarnation="i", launch_deadline=0.0, now=house.clock.now())

    assert "Run 1 goes on to its end; 'smart-cron run kill 1' ends it." in call("task", "remove", "a", "--yes").out


def test_limits_that_were_not_kept_are_shown(call: Call, add: Add, house: House) -> None:
    add("a")
    call("task", "run", "a")
    told = '{"leftovers": [], "unkillable": [], "unkept_limits": ["the limit of 5 processes is not kept"]}'
    house.store.session.execute("UPDATE smart_cron_executions SET leftovers = %s WHERE id = 1", [told])

    assert "the limit of 5 processes is not kept" in call("run", "show", "1").out
    assert call("run", "show", "1", "--json").document["unkept_limits"] == ["the limit of 5 processes is not kept"]


def test_a_limit_that_may_not_be_kept_is_said_when_it_is_set(call: Call, add: Add) -> None:
    assert "limit of 5 processes is kept only where" in add("a", "true", "--processes", "5").err
    assert "processes" not in call("task", "edit", "a", "--description", "x").err
