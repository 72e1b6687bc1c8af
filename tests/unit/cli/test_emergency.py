"""stop-all and what other commands say while it holds, as far as that needs no processes."""

from __future__ import annotations

import pytest
from tests.unit.cli.conftest import Call

from smart_cron.core.run import ErrorType
from smart_cron.wiring import House


@pytest.mark.parametrize("patience", ["nan", "inf", "-inf", "-1", "soon"])
def test_a_patience_that_never_ends_is_refused(call: Call, home: object, patience: str) -> None:
    result = call("stop-all", "--yes", "--patience", patience)

    assert result.code == 2
    assert "--patience" in result.err


def test_why_names_the_hold_and_resuming_tells_who_stopped_it(call: Call, house: House) -> None:
    call("task", "add", "report", "--command", "true", "--schedule", "0 2 * * *")
    assert call("stop-all", "--yes", "--reason", "the disk burns").code == 0

    asked = call("why", "report")
    dry = call("stop-all", "--resume", "--dry-run", "--json").document
    done = call("stop-all", "--resume", "--json").document

    assert "wait, as things stand: starts are held on every node since" in asked.out
    assert "the disk burns" in asked.out
    assert (dry["resumed"], done["resumed"]) == (False, True)
    assert (done["reason"], done["stopped_by"][:4]) == ("the disk burns", "cli:")
    assert "will run as things stand" in call("why", "report").out
    assert call("stop-all", "--dry-run", "--json").document == {"held": False, "would_end": []}


def test_starts_go_on_although_the_tables_became_a_newer_versions(call: Call, house: House) -> None:
    assert call("stop-all", "--yes").code == 0
    house.store.session.execute(
        "INSERT INTO django_migrations (app, name, applied) VALUES ('smart_cron', '9999_later', '2030-01-01')"
    )

    assert call("task", "list").code == 1
    assert call("stop-all", "--resume").out == "Starts go on.\n"

    assert house.store.holds.holds() == []


def test_what_was_stopped_says_by_whom_and_why_wherever_it_is_shown(call: Call, house: House) -> None:
    call("task", "add", "report", "--command", "true", "--schedule", "0 2 * * *")
    store, now = house.store, house.clock.now()
    task = store.tasks.get("report")
    number = store.tasks.request_run(task.id, arguments=None, actor="cli:bob", now=now)
    store.session.execute(
        "UPDATE smart_cron_executions SET status = 'running', run_id = 'r', node = 'one', started_at = created_at"
    )
    store.history.request_cancel(number, reason=ErrorType.STOPPED, actor="cli:ann", now=now, note="the disk burns")
    store.history.request_cancel(number, reason=ErrorType.STOPPED, actor="cli:eve", now=now, note="me too")

    with store.database.transaction():
        [run] = store.records.lock_open([(number, "r")])

    assert (run.cancelled_by, run.cancel_note) == ("cli:ann", "the disk burns")


def test_a_node_is_not_struck_out_where_nobody_can_be_asked(call: Call, home: object) -> None:
    result = call("node", "forget", "gone")

    assert result.code == 2
    assert "There is no terminal to ask at" in result.err
