"""What our own tasks start is never read from their rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import smart_cron
from smart_cron.config import load_config
from smart_cron.core.builtin import DEFINITIONS, HEALTH, fault_of, is_builtin
from smart_cron.core.run import Claim, Trigger
from smart_cron.core.task import Sandbox, TaskDefinition
from smart_cron.core.validation import check_definition
from smart_cron.engine.orders import OrderBook
from smart_cron.engine.settings import EngineSettings
from smart_cron.wiring import prepare
from smart_cron.wiring.mastering import engine_settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SETTINGS = EngineSettings(
    node="n",
    incarnation="b:i",
    default_zone="UTC",
    output_root=Path("/var/log/x"),
    program=("/opt/smart cron/bin/python", "-m", "smart_cron"),
    program_environment={"SMART_CRON_HOME": "/srv/home"},
)
(OURS,) = (each for each in DEFINITIONS if each.name == HEALTH)


def order(task: TaskDefinition) -> dict[str, Any]:
    claim = Claim(
        execution_id=7,
        task_id=3,
        run_id="run-1",
        task=task,
        scheduled_for=NOON,
        attempt=1,
        triggered_by=Trigger.CRON,
        node="n",
        incarnation="b:i",
        launch_deadline=1.0,
        claimed_at=NOON,
    )
    return OrderBook(SETTINGS).order(claim)


def test_it_runs_this_installation_in_this_home() -> None:
    found = order(OURS)

    assert found["shell_command"] == "exec '/opt/smart cron/bin/python' -m smart_cron health"
    assert found["environment"]["SMART_CRON_HOME"] == "/srv/home"
    assert found["environment"]["SMART_CRON_TASK"] == HEALTH
    assert found["environment"]["SMART_CRON_SCHEDULED_FOR"] == "2026-03-01T12:00:00Z"


def test_what_a_row_says_beside_its_times_does_not_count() -> None:
    edited = replace(
        OURS,
        shell_command="id",
        stdin_text="x",
        arguments=("x",),
        run_as="nobody",
        environment={"PYTHONSTARTUP": "/tmp/x", "SMART_CRON_HOME": "/tmp"},
        working_directory="/tmp",
        sandbox=Sandbox.STRICT,
        timeout=timedelta(seconds=30),
    )

    found = order(edited)

    assert found == order(OURS) | {"timeout_seconds": 30.0}


def test_a_task_of_the_same_name_without_the_origin_is_anybody_s() -> None:
    theirs = replace(OURS, shell_command="id", origin=None)

    assert not is_builtin(theirs)
    assert order(theirs)["shell_command"] == "id"
    assert "SMART_CRON_HOME" not in order(theirs)["environment"]


def test_the_origin_with_another_name_is_a_fault() -> None:
    assert fault_of(HEALTH, "builtin") is None
    assert fault_of("report", None) is None
    assert "'builtin' is kept for smart_cron_health" in (fault_of("report", "builtin") or "")


def test_what_is_entered_may_be_saved_by_a_person_too() -> None:
    assert check_definition(OURS, now=NOON) == []


def test_what_it_runs_is_imported_from_where_this_is(tmp_path: Path) -> None:
    config = load_config({"SMART_CRON_HOME": str(tmp_path / "h")})
    prepare(config)

    path = engine_settings(config).program_environment["PYTHONPATH"]

    assert Path(path) / "smart_cron" / "__init__.py" == Path(smart_cron.__file__)
