from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from smart_cron.core.errors import InvalidInputError
from smart_cron.logs import LogReadError, SmartCronLogger, follow


def entry(number: int, level: str = "INFO", **context: object) -> dict[str, Any]:
    return {
        "timestamp": f"2025-11-05 14:{number:02d}:00.000000",
        "level": level,
        "message": f"Task completed successfully: job-{number}",
        "context": context,
        "pid": 10 + number,
        "memory": "1.0MB",
        "utc": f"2025-11-05T01:{number:02d}:00.000000Z",
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x.log"
    rows = [entry(n, "ERROR" if n % 3 == 0 else "INFO", task=f"job-{n}", ok=n % 2 == 0) for n in range(10)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def numbers(entries: list[dict[str, Any]]) -> list[int]:
    return [found["pid"] - 10 for found in entries]


def test_tail_gives_the_last_entries_oldest_first(path: Path) -> None:
    assert numbers(SmartCronLogger.get_tail(path, 3)) == [7, 8, 9]
    assert numbers(SmartCronLogger.get_tail(str(path))) == list(range(10))
    assert SmartCronLogger.get_tail(path, 0) == []


def test_tail_crosses_blocks_and_survives_an_endless_line(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    rows = [json.dumps({"message": "x" * size}) for size in (10, 70_000, 3, 200_000, 65_536, 1)]
    path.write_bytes("\n".join(rows).encode() + b"\n" + b"y" * 3_000_000)
    found = SmartCronLogger.get_tail(path)

    assert [len(entry["message"]) for entry in found[:-1]] == [10, 70_000, 3, 200_000, 65_536, 1]
    assert found[-1]["raw"].strip("y") == ""


def test_no_file_has_no_entries(tmp_path: Path) -> None:
    assert SmartCronLogger.get_tail(tmp_path / "none.log") == []
    assert SmartCronLogger.search(tmp_path / "none.log", {}) == []


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(LogReadError, match="cannot be read"):
        SmartCronLogger.get_tail(tmp_path)


@pytest.mark.parametrize("line", [b"plain text", b"\xff\xfe", b"[1, 2]", b'"x"', b"{", b"[" * 100_000, b"1e999"])
def test_a_line_that_is_no_entry_comes_back_as_its_text(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(line + b"\r\n\n")
    (found,) = SmartCronLogger.get_tail(path)

    assert found["raw"] == found["message"] == line.decode("utf-8", "replace")
    assert SmartCronLogger.search(path, {"level": "ERROR", "from": "2025-01-01"}) == []


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        ({}, list(range(10))),
        ({"level": "error"}, [0, 3, 6, 9]),
        ({"level": ["ERROR", "INFO"], "message": "JOB-3"}, [3]),
        ({"min_level": "WARNING"}, [0, 3, 6, 9]),
        ({"from": "2025-11-05 14:07"}, [7, 8, 9]),
        ({"from": "2025-11-05T14:02", "to": "2025-11-05 14:04"}, [2, 3, 4]),
        ({"to": "2025-11-05T01:01:00Z"}, [0, 1]),
        ({"from": datetime(2025, 11, 5, 1, 9, tzinfo=UTC)}, [9]),
        ({"to": "2025-11-05"}, list(range(10))),
        ({"from": "2025-11-06"}, []),
        ({"task": "job-4"}, [4]),
        ({"ok": False, "level": "INFO"}, [1, 5, 7]),
        ({"pid": "12"}, [2]),
        ({"absent": "x"}, []),
    ],
)
def test_search_gives_what_meets_all_criteria(path: Path, criteria: dict[str, Any], found: list[int]) -> None:
    assert numbers(SmartCronLogger.search(path, criteria)) == found


def test_search_gives_the_latest_up_to_the_limit(path: Path) -> None:
    assert numbers(SmartCronLogger.search(path, {"level": "INFO"}, 2)) == [7, 8]


@pytest.mark.parametrize("criteria", [{"level": "LOUD"}, {"from": "yesterday"}, {"min_level": "x"}])
def test_criteria_that_mean_nothing_are_refused(path: Path, criteria: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        SmartCronLogger.search(path, criteria)


def test_compressed_files_read_alike_under_either_name(path: Path) -> None:
    packed = path.with_name("x.log.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()

    assert numbers(SmartCronLogger.get_tail(packed, 2)) == [8, 9]
    assert numbers(SmartCronLogger.search(path, {"level": "ERROR"}, 2)) == [6, 9]


def test_a_truncated_compressed_file_gives_what_it_can_and_says_so(path: Path) -> None:
    packed = path.with_name("y.log.gz")
    packed.write_bytes(gzip.compress(path.read_bytes())[:-20])

    assert "cannot be unpacked" in SmartCronLogger.get_tail(packed)[-1]["message"]


def line(message: str) -> str:
    return json.dumps({"message": message}) + "\n"


def test_follow_goes_on_across_writes_midnight_truncation_and_replacement(tmp_path: Path) -> None:
    """Each wait of the follower runs the next step of the story; the last one ends it."""
    first, second = tmp_path / "a.log", tmp_path / "b.log"
    first.write_text(line("old"))
    now = [first]

    def append(path: Path, text: str) -> None:
        with path.open("a") as file:
            file.write(text)

    def turn_of_day() -> None:
        append(first, line("last of the day"))
        now[0] = second

    def replace() -> None:
        second.rename(tmp_path / "rotated.log")
        second.write_text(line("in a new file"))

    story = [
        lambda: append(first, line("one") + line("two")[:5]),
        lambda: append(first, line("two")[5:]),
        turn_of_day,
        lambda: second.write_text(line("new day") + "noise\n"),
        lambda: second.write_text(line("cut")),
        replace,
    ]

    def wait() -> bool:
        if not story:
            return False
        story.pop(0)()
        return True

    assert [found["message"] for found in follow(lambda: now[0], wait=wait)] == [
        "one", "two", "last of the day", "new day", "noise", "cut", "in a new file",
    ]  # fmt: skip


def test_follow_can_begin_at_the_start(path: Path) -> None:
    assert len(list(follow(lambda: path, wait=lambda: False, from_start=True))) == 10
