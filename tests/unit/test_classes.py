"""The specification's classes: what somebody's own script imports and calls does not change under it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

import smart_cron
from smart_cron import SmartCronLogger, SmartCronRunner


def _call(method: Any) -> list[str]:
    """Return a method's parameters as a caller sees them: names, and defaults after `=`."""
    parameters = list(inspect.signature(method).parameters.values())
    named = [parameter for parameter in parameters if parameter.name != "self"]
    return [each.name if each.default is inspect.Parameter.empty else f"{each.name}={each.default!r}" for each in named]


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("__init__", ["db=None", "logger=None"]),
        ("get_due_tasks", []),
        ("execute_tasks", ["tasks"]),
        ("execute_task", ["task"]),
        ("clean_stale_locks", []),
        ("cleanup", []),
    ],
)
def test_the_runner_is_called_as_the_specification_says(method: str, parameters: list[str]) -> None:
    assert _call(getattr(SmartCronRunner, method)) == parameters


def test_the_logger_takes_a_file_and_a_level_that_is_info_unless_told() -> None:
    assert _call(SmartCronLogger.__init__)[:2] == ["log_file", "log_level='INFO'"]


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical"])
def test_each_level_takes_a_message_and_a_context(level: str) -> None:
    assert _call(getattr(SmartCronLogger, level)) == ["message", "context=None"]
    assert getattr(SmartCronLogger, f"LEVEL_{level.upper()}") == level.upper()


def test_reading_back_has_the_specifications_limits() -> None:
    assert _call(SmartCronLogger.get_tail) == ["log_file", "lines=100"]
    assert _call(SmartCronLogger.search) == ["log_file", "criteria", "limit=100"]


def test_the_package_names_its_classes_and_no_others() -> None:
    assert set(smart_cron.__all__) == {
        "SmartCronAlert", "SmartCronHealth", "SmartCronLogger", "SmartCronRunner", "__version__",
    }  # fmt: skip
    with pytest.raises(AttributeError, match="has no attribute 'SmartCronDonkey'"):
        _ = smart_cron.SmartCronDonkey


def test_a_log_is_written_and_read_back_as_the_specification_shows(tmp_path: Path) -> None:
    file = tmp_path / "master-2026-11-23.log"
    logger = SmartCronLogger(str(file))

    logger.info("Task completed", {"exit_code": 0})
    logger.debug("below the level")
    logger.close()

    (line,) = SmartCronLogger.get_tail(str(file))
    assert (line["level"], line["message"], line["context"]["exit_code"]) == ("INFO", "Task completed", 0)
    assert SmartCronLogger.search(str(file), {"level": "ERROR"}) == []
