from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from smart_cron import SmartCronLogger
from smart_cron.core.errors import InvalidInputError
from smart_cron.logs import DayLog, EventLog, day_files
from smart_cron.logs.line import MAX_LINE_BYTES

AUCKLAND = ZoneInfo("Pacific/Auckland")


class Steps:
    """A clock that tests set by hand."""

    def __init__(self) -> None:
        self.at = datetime(2025, 11, 5, 1, 30, 45, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Steps:
    return Steps()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "master.log"


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_line_has_the_documented_fields_in_the_documented_order(path: Path, clock: Steps) -> None:
    SmartCronLogger(path, now=clock, zone=AUCKLAND).info("Task completed successfully: x", {"exit_code": 0})
    (entry,) = lines(path)

    assert list(entry) == ["timestamp", "level", "message", "context", "pid", "memory", "utc"]
    assert entry["timestamp"] == "2025-11-05 14:30:45.123456"
    assert entry["utc"] == "2025-11-05T01:30:45.123456Z"
    assert (entry["level"], entry["context"]) == ("INFO", {"exit_code": 0})
    assert str(entry["memory"]).endswith("MB")


def test_levels_below_the_loggers_own_are_left_out(path: Path) -> None:
    logger = SmartCronLogger(str(path), SmartCronLogger.LEVEL_WARNING)
    for write in (logger.debug, logger.info, logger.warning, logger.error, logger.critical):
        write("x")

    assert [entry["level"] for entry in lines(path)] == ["WARNING", "ERROR", "CRITICAL"]


def test_an_unknown_level_is_refused_with_the_ones_there_are(path: Path) -> None:
    with pytest.raises(InvalidInputError, match="DEBUG, INFO"):
        SmartCronLogger(path, "LOUD")


@pytest.mark.parametrize(
    "hostile", ["a\r\nb", "a\x1b[31m", "a\0b", "a\x7f", "a\x9b31m", "a\u2028b", "a\u202eb", "a\ud800", '"} forged {"']
)
def test_nothing_logged_makes_a_second_line_or_drives_a_terminal(path: Path, hostile: str) -> None:
    logger = SmartCronLogger(path)
    logger.error(hostile, {hostile: hostile})
    data = path.read_bytes()

    assert data.count(b"\n") == 1
    assert data[:-1].decode().isprintable()
    assert json.loads(data)["message"] == hostile


def test_text_beyond_ascii_stays_as_it_is_for_grep(path: Path) -> None:
    SmartCronLogger(path).info("Größe")

    assert "Größe".encode() in path.read_bytes()


class Spiteful:
    def __str__(self) -> str:
        raise RuntimeError


def test_any_context_becomes_json(path: Path) -> None:
    cyclic: dict[str, object] = {}
    cyclic["self"] = cyclic
    logger = SmartCronLogger(path)
    for value in (
        cyclic,
        float("nan"),
        {(1, 2): 3},
        b"\xff",
        Path("/x"),
        {1, 2},
        Spiteful(),
        datetime(2025, 1, 1, tzinfo=UTC),
    ):
        logger.info("x", {"value": value})

    assert len(lines(path)) == 8


def test_an_endless_value_is_cut_and_stays_json(path: Path) -> None:
    logger = SmartCronLogger(path)
    logger.info("m" * 1_000_000, {"text": "x" * 1_000_000})
    logger.info("m", {str(key): "x" * 2_000 for key in range(1_000)})

    assert len(lines(path)) == 2
    assert max(map(len, path.read_bytes().splitlines())) <= MAX_LINE_BYTES


def test_a_day_log_turns_at_local_midnight(tmp_path: Path, clock: Steps) -> None:
    logger = SmartCronLogger(DayLog(tmp_path, "master", AUCKLAND), buffered=True, now=clock)
    clock.at = datetime(2025, 11, 5, 10, 59, 59, 999_999, tzinfo=UTC)
    logger.info("before")
    clock.at += timedelta(microseconds=1)
    logger.info("after")
    logger.flush()

    assert [path.name for path in day_files(tmp_path)] == ["master-2025-11-05.log", "master-2025-11-06.log"]
    assert [lines(path)[0]["message"] for path in day_files(tmp_path)] == ["before", "after"]


def test_day_files_are_those_of_the_name_with_compressed_ones_hidden_by_plain_ones(tmp_path: Path) -> None:
    for name in (
        "master-2025-11-05.log",
        "master-2025-11-05.log.gz",
        "master-2025-11-04.log.gz",
        "master-x.log",
        "health-2025-11-05.log",
    ):
        (tmp_path / name).touch()

    assert [path.name for path in day_files(tmp_path)] == ["master-2025-11-04.log.gz", "master-2025-11-05.log"]


def test_a_buffered_logger_writes_at_flush_or_with_the_first_warning(path: Path) -> None:
    logger = SmartCronLogger(path, buffered=True)
    logger.info("one")
    assert not path.exists()

    logger.warning("two")
    logger.info("three")
    assert [entry["message"] for entry in lines(path)] == ["one", "two"]

    logger.flush()
    assert len(lines(path)) == 3


def test_events_are_worded_as_the_specification_greps_them(path: Path) -> None:
    log = EventLog(SmartCronLogger(path))
    log.info("Task completed successfully", task="report", exit_code=0, execution_time=12.456)
    log.error("Task completed with status failed", task="report", exit_code=1, execution_time=0.5)
    log.info("Nothing due")

    assert [entry["message"] for entry in lines(path)] == [
        "Task completed successfully: report",
        "Task completed with status failed: report",
        "Nothing due",
    ]
    assert lines(path)[0]["context"] == {"task": "report", "exit_code": 0, "execution_time": 12.456}


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ("grep -c ERROR {}", "1"),
        ('grep "Task completed" {} | wc -l', "2"),
        ("tail -n 100 {} | jq -C . | grep -c timestamp", "2"),
        ("tail -n 100 {} | jq -r .context.exit_code", "0\n3"),
    ],
)
def test_the_specifications_command_lines_work_as_printed(path: Path, command: str, printed: str) -> None:
    log = EventLog(SmartCronLogger(path))
    log.info("Task completed successfully", task="a", exit_code=0)
    log.error("Task completed with status failed", task="b", exit_code=3)

    done = subprocess.run(command.format(path), shell=True, check=True, capture_output=True, text=True, timeout=20)

    assert done.stdout.strip() == printed
