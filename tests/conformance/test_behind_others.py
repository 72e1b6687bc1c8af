"""Whether something waits for the end of another run, and how statements reach the driver; on every database."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.scene import Scene

from smart_cron.core.run import Status


@pytest.mark.parametrize("status", list(Status))
def test_only_what_is_queued_or_blocked_stands_behind_others(scene: Scene, status: Status) -> None:
    scene.add()
    scene.planned()
    scene.start()
    scene.sql("UPDATE smart_cron_executions SET status = %s", [str(status)])

    assert scene.store.claims.any_behind_others() == (status in (Status.QUEUED, Status.BLOCKED))


def test_nothing_stands_behind_others_where_there_is_nothing(scene: Scene) -> None:
    assert not scene.store.claims.any_behind_others()


def test_percent_signs_and_question_marks_reach_the_database_as_they_were_written(scene: Scene) -> None:
    session = scene.store.session

    assert session.rows("SELECT %s, '100%%'", ["50% of what?"]) == [("50% of what?", "100%")]


def test_who_wants_to_see_each_statement_sees_it(scene: Scene) -> None:
    seen: list[str] = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        return execute(sql, params, many, context)

    with scene.store.session.connection.execute_wrapper(watch):
        rows = scene.store.session.rows("SELECT %s", ["a"])

    assert rows == [("a",)]
    assert len(seen) == 1


def test_a_closed_connection_is_opened_again(scene: Scene) -> None:
    scene.store.session.close()

    assert scene.store.session.rows("SELECT 1") == [(1,)]
