"""Once a week: what the logs warned of."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from smart_cron.core.alert import Severity
from smart_cron.services.health import weekly

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def log(folder: Path, *lines: tuple[str, str, timedelta], kind: str = "master") -> None:
    for level, message, age in lines:
        at = NOW - age
        entry = {"level": level, "message": message, "utc": f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"}
        with (folder / f"{kind}-{at:%Y-%m-%d}.log").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def test_only_warnings_of_the_last_seven_days_count(tmp_path: Path) -> None:
    day = timedelta(days=1)
    log(tmp_path, ("WARNING", "too old", 8 * day), ("WARNING", "old", 6 * day), ("ERROR", "worse", day))
    log(tmp_path, ("WARNING", "new", timedelta(hours=1)))
    log(tmp_path, ("WARNING", "swept", timedelta(hours=2)), kind="cleanup")

    assert list(weekly.warnings(tmp_path, now=NOW)) == ["new", "old", "swept"]


def test_what_the_checks_themselves_logged_is_not_told_again(tmp_path: Path) -> None:
    log(tmp_path, ("WARNING", "disk", timedelta()), kind="health")

    assert list(weekly.warnings(tmp_path, now=NOW)) == []


def test_texts_that_differ_in_numbers_are_one_group() -> None:
    groups = weekly.grouped(["run 1 left 2 processes", "run 22 left 3 processes", "clock"])

    assert [(group.count, group.example) for group in groups] == [(2, "run 1 left 2 processes"), (1, "clock")]


def test_the_digest_is_information_with_the_most_frequent_first() -> None:
    finding, alarm = weekly.digest(weekly.grouped(["a", "b", "b"]), node="n", now=NOW)

    assert finding.details == {"week": "2026-W10"}
    assert alarm is not None
    assert (alarm.severity, alarm.cause.subtype, alarm.cause.node) == (Severity.INFO, "weekly_digest", "n")
    assert alarm.details["warnings"] == ["2 × b", "1 × a"]


def test_a_week_without_warnings_raises_nothing_and_is_done() -> None:
    finding, alarm = weekly.digest([], node="n", now=NOW)

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
