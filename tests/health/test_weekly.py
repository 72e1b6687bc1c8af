"""Once a week: what the logs warned of."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from smart_cron.core.alert import Severity
from smart_cron.services.health import weekly
from smart_cron.services.health.tally import MOST_TEXTS, Group, Tallies, Tally

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
A, B = Group(count=1, example="a"), Group(count=2, example="b")


def log(folder: Path, *lines: tuple[str, str, timedelta], kind: str = "master") -> None:
    for level, message, age in lines:
        at = NOW - age
        entry = {"level": level, "message": message, "utc": f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"}
        with (folder / f"{kind}-{at:%Y-%m-%d}.log").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def looked_back(folder: Path) -> weekly.Week:
    return weekly.look_back(folder, Tallies(folder), now=NOW)


def texts(week: weekly.Week) -> list[tuple[int, str]]:
    return [(group.count, group.example) for group in week.groups]


def test_only_warnings_of_the_last_seven_days_count(tmp_path: Path) -> None:
    log(tmp_path, ("WARNING", "too old", 8 * DAY), ("WARNING", "old", 6 * DAY), ("ERROR", "worse", DAY))
    log(tmp_path, ("WARNING", "new", timedelta(hours=1)), ("INFO", "a WARNING that is none", timedelta()))
    log(tmp_path, ("WARNING", "swept", timedelta(hours=2)), kind="cleanup")

    week = looked_back(tmp_path)

    assert sorted(texts(week)) == [(1, "new"), (1, "old"), (1, "swept")]
    assert (week.since, week.gaps) == ("", ())


def test_what_the_checks_themselves_logged_is_not_told_again(tmp_path: Path) -> None:
    log(tmp_path, ("WARNING", "disk", timedelta()), kind="health")

    assert texts(looked_back(tmp_path)) == []


def test_texts_that_differ_in_numbers_are_one_group(tmp_path: Path) -> None:
    for text in ("run 1 left 2 processes", "run 22 left 3 processes", "clock"):
        log(tmp_path, ("WARNING", text, DAY))

    assert texts(looked_back(tmp_path)) == [(2, "run 1 left 2 processes"), (1, "clock")]


def test_a_busy_day_counts_whole_packed_or_not(tmp_path: Path) -> None:
    """Its first line is beyond what was once read from the end: 100,000 lines packed, 500,000 in all."""
    log(tmp_path, ("WARNING", "at the very beginning", 3 * DAY))
    day = next(tmp_path.glob("*.log"))
    day.write_bytes(day.read_bytes() + b'{"level": "INFO"}\n' * 600_000)

    assert texts(looked_back(tmp_path)) == [(1, "at the very beginning")]

    with gzip.open(f"{day}.gz", "wb", compresslevel=1) as packed:
        packed.write(day.read_bytes())
    day.unlink()
    (tmp_path / "alerts" / "warnings.json").unlink()
    assert texts(looked_back(tmp_path)) == [(1, "at the very beginning")]


def test_a_day_that_is_over_is_counted_once_and_the_present_one_each_time(tmp_path: Path) -> None:
    log(tmp_path, ("WARNING", "past", 2 * DAY), ("WARNING", "present", timedelta()))
    looked_back(tmp_path)
    log(tmp_path, ("WARNING", "past", 2 * DAY), ("WARNING", "present", timedelta()))

    assert texts(looked_back(tmp_path)) == [(2, "present"), (1, "past")]


@pytest.mark.parametrize("kept", ["", "[]", '{"master-2026-03-02.log": 7}', '{"master-2026-03-02.log": [["x"]]}'])
def test_a_torn_file_of_counts_is_none(tmp_path: Path, kept: str) -> None:
    log(tmp_path, ("WARNING", "past", 2 * DAY))
    (tmp_path / "alerts").mkdir()
    (tmp_path / "alerts" / "warnings.json").write_text(kept)

    assert texts(looked_back(tmp_path)) == [(1, "past")]


def test_warnings_in_ever_new_words_are_counted_together() -> None:
    tally = Tally()
    for number in range(MOST_TEXTS + 5):
        tally.add(f"no {number:b}".replace("0", "o").replace("1", "i"))

    assert tally.groups()[0] == Group(count=5, example="(other texts)")
    assert len(tally.groups()) == MOST_TEXTS + 1


def test_logs_that_begin_within_the_week_are_said_to(tmp_path: Path) -> None:
    log(tmp_path, ("WARNING", "new", 3 * DAY))

    finding, alarm = weekly.digest(looked_back(tmp_path), node="n", now=NOW)

    assert finding.message == "1 warnings were logged since 2026-03-01, when the logs begin, with 1 texts."
    assert alarm is not None
    assert finding.message in alarm.message


def test_a_file_that_cannot_be_read_whole_is_named(tmp_path: Path) -> None:
    log(tmp_path, ("WARNING", "old", 9 * DAY))
    whole = gzip.compress(b"x" * 100_000)
    (tmp_path / "master-2026-03-02.log.gz").write_bytes(whole[:-20])

    finding, _ = weekly.digest(looked_back(tmp_path), node="n", now=NOW)

    assert "in the last 7 days" in finding.message
    assert f"Not all was read: the log {tmp_path}/master-2026-03-02.log.gz cannot be read" in finding.message


def test_the_digest_is_information_with_the_most_frequent_first() -> None:
    finding, alarm = weekly.digest(weekly.Week(groups=[B, A]), node="n", now=NOW)

    assert finding.details == {"week": "2026-W10"}
    assert alarm is not None
    assert (alarm.severity, alarm.cause.subtype, alarm.cause.node) == (Severity.INFO, "weekly_digest", "n")
    assert alarm.details["warnings"] == ["2 × b", "1 × a"]


def test_a_week_without_warnings_raises_nothing_and_is_done() -> None:
    finding, alarm = weekly.digest(weekly.Week(), node="n", now=NOW)

    assert alarm is None
    assert not weekly.is_due(finding.details, NOW)


def test_logs_that_do_not_reach_back_over_a_day_tell_of_no_week(tmp_path: Path) -> None:
    assert not weekly.has_past(tmp_path, now=NOW)
    log(tmp_path, ("INFO", "began", timedelta(hours=20)), kind="master")
    assert not weekly.has_past(tmp_path, now=NOW)

    log(tmp_path, ("INFO", "began", timedelta(days=3)), kind="master")
    assert weekly.has_past(tmp_path, now=NOW)


def test_the_next_week_is_due_again() -> None:
    assert weekly.is_due({"week": "2026-W10"}, NOW + timedelta(days=5))
    assert weekly.is_due({}, NOW)
