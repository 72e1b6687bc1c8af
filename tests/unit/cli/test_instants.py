from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import click
import pytest

from smart_cron.faces.cli.instants import Moment, read_moment

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def read(text: str, place: ZoneInfo = BERLIN) -> Moment:
    return read_moment(text, option="--at", now=NOW, place=place)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-23", datetime(2026, 11, 22, 23, 0, tzinfo=UTC)),
        ("2026-11-23 02:30", datetime(2026, 11, 23, 1, 30, tzinfo=UTC)),
        ("2026-11-23T02:30:05", datetime(2026, 11, 23, 1, 30, 5, tzinfo=UTC)),
        ("2026-11-23 02:30:05.25", datetime(2026, 11, 23, 1, 30, 5, 250_000, tzinfo=UTC)),
        ("2026-11-23T02:30Z", datetime(2026, 11, 23, 2, 30, tzinfo=UTC)),
        ("2026-11-23T02:30:00.000000Z", datetime(2026, 11, 23, 2, 30, tzinfo=UTC)),
        ("2026-11-23 02:30 +05:30", datetime(2026, 11, 22, 21, 0, tzinfo=UTC)),
        ("2026-11-23T02:30-0100", datetime(2026, 11, 23, 3, 30, tzinfo=UTC)),
        ("now", NOW),
        ("-2h", NOW - timedelta(hours=2)),
        ("+90s", NOW + timedelta(seconds=90)),
        (" -7d ", NOW - timedelta(days=7)),
        ("-1w", NOW - timedelta(days=7)),
    ],
)
def test_points_in_time_are_read_as_people_write_them(text: str, at: datetime) -> None:
    assert read(text).at == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-13-01",
        "2026-11-31",
        "2026-11-23 25:00",
        "23.11.2026",
        "2h",
        "-2y",
        "2026-11-23T02:30+99:99",
        "-999999999d",
        "9999-12-31 23:59:59 -10:00",
        "٢٠٢٦-11-23",
        "2026-11-23x",
    ],
)
def test_what_is_none_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(click.UsageError) as refused:
        read(text)

    assert "is no point in time; write it like 2026-11-23, " in refused.value.message
    assert refused.value.message.startswith("--at: ")


def test_without_seconds_a_whole_minute_is_meant() -> None:
    assert read("2026-11-23 02:30").width == timedelta(minutes=1)
    assert read("2026-11-23 02:30:00").width == timedelta(microseconds=1)


def test_of_a_time_that_comes_twice_the_first_is_meant_and_said() -> None:
    moment = read("2026-10-25 02:30")

    assert moment.at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert moment.remark == (
        "2026-10-25 02:30 came twice in Europe/Berlin: the first is meant, write +01:00 for the second."
    )


def test_for_a_time_that_never_was_the_moment_of_the_change_is_meant_and_said() -> None:
    moment = read("2026-03-29 02:30")

    assert moment.at == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert moment.remark == (
        "2026-03-29 02:30 never was in Europe/Berlin: clocks went forward past it, to 03:00, and that moment is meant."
    )


@pytest.mark.parametrize(
    ("place", "text", "at"),
    [
        ("Australia/Lord_Howe", "2026-10-04 02:15", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
        ("America/New_York", "2026-03-08 02:59:59", datetime(2026, 3, 8, 7, 0, tzinfo=UTC)),
    ],
)
def test_the_change_is_found_whatever_its_width(place: str, text: str, at: datetime) -> None:
    assert read(text, ZoneInfo(place)).at == at


@pytest.mark.parametrize("text", ["2026-10-25T02:30+01:00", "2026-03-29 02:30Z"])
def test_with_a_zone_nothing_is_in_doubt(text: str) -> None:
    assert read(text).remark is None
