"""Schedules in words, and what clock changes do to them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from smart_cron.core.errors import InvalidScheduleError
from smart_cron.core.words import describe, remarks

YEAR = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC))


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("*/5 * * * *", "Every fifth minute"),
        ("0 2 * * *", "At 02:00 every day"),
        ("@weekly", "At 00:00 on Sunday"),
        ("0 9-17 * * mon-fri", "Monday through Friday"),
        ("@reboot", "when Smart Cron starts"),
        ("*/15 * * * *", "Every 15th minute of every hour"),
        # The step begins anew at each hour: from 44 to 0 it is sixteen minutes.
        ("*/22 * * * *", "At minutes 0, 22, and 44 of every hour"),
        ("0 */5 * * *", "At minute 0 past hours 0, 5, 10, 15, and 20"),
        ("*/60 * * * *", "At the start of every hour"),
        ("1-59/22 * * * *", "Every 22nd minute from 1 through 59"),
        ("0 0 */22 * *", "on every 22nd day of month"),
        ("0 0 */11 * *", "on every 11th day of month"),
    ],
)
def test_a_pattern_is_told_in_words(pattern: str, words: str) -> None:
    assert words in describe(pattern)


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidScheduleError):
        describe("0 0 * * * *")
    with pytest.raises(InvalidScheduleError):
        remarks("0 0 * * * *", ZoneInfo("UTC"), *YEAR)


def test_a_fixed_time_in_a_changed_hour_is_remarked_on_twice_a_year() -> None:
    spring, autumn = remarks("30 2 * * *", ZoneInfo("Europe/Berlin"), *YEAR)

    assert (
        spring == "2026-03-29: clocks in Europe/Berlin go forward from 02:00 to 03:00; the slot at 02:30 runs at 03:00"
    )
    assert autumn.startswith("2026-10-25: clocks in Europe/Berlin go back from 03:00 to 02:00")
    assert autumn.endswith("the slot at 02:30 runs once only, in the first of the two")


def test_wildcard_jobs_are_said_to_be_left_out_and_to_run_twice() -> None:
    spring, autumn = remarks("*/10 2 * * *", ZoneInfo("Europe/Berlin"), *YEAR)

    assert spring.endswith("6 slots from 02:00 on are left out that day")
    assert autumn.endswith("6 slots from 02:00 on run twice")


def test_several_fixed_times_are_said_to_run_together() -> None:
    spring = remarks("0,30 2 * * *", ZoneInfo("Europe/Berlin"), *YEAR)[0]

    assert spring.endswith("2 slots from 02:00 on run together as one at 03:00")


@pytest.mark.parametrize("pattern", ["0 5 * * *", "* * * * *", "@hourly", "0 2 1 * *", "@reboot"])
def test_nothing_is_said_where_nothing_happens(pattern: str) -> None:
    assert remarks(pattern, ZoneInfo("Europe/Berlin"), *YEAR) == []
    assert remarks("30 2 * * *", ZoneInfo("UTC"), *YEAR) == []


def test_a_day_that_is_left_out_is_told_with_its_date() -> None:
    found = remarks(
        "0 9 * * *", ZoneInfo("Pacific/Apia"), datetime(2011, 12, 1, tzinfo=UTC), datetime(2012, 1, 31, tzinfo=UTC)
    )

    (sentence,) = found
    assert sentence.startswith("2011-12-30: clocks in Pacific/Apia go forward from 00:00 to 2011-12-31 00:00;")
    assert sentence.endswith("; the slot at 09:00 is left out that day")
