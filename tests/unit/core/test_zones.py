"""Zones as spans of one offset each."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from smart_cron.core.zones import spans_from, spans_of, to_instant, to_seconds


def test_a_year_without_changes_is_one_span() -> None:
    (span,) = spans_of(ZoneInfo("Asia/Kathmandu"), 2026)

    assert (span.offset, span.shift) == (5 * 3600 + 45 * 60, 0)


def test_a_year_of_summer_time_has_three_spans_that_meet() -> None:
    winter, summer, again = spans_of(ZoneInfo("Europe/Berlin"), 2026)

    assert [to_instant(span.start) for span in (summer, again)] == [
        datetime(2026, 3, 29, 1, tzinfo=UTC),
        datetime(2026, 10, 25, 1, tzinfo=UTC),
    ]
    assert (winter.stop, summer.stop) == (summer.start, again.start)
    assert (winter.shift, summer.shift, again.shift) == (0, 3600, -3600)
    assert summer.skips
    assert again.repeats


def test_a_change_at_the_turn_of_the_year_is_seen() -> None:
    spans = [*spans_of(ZoneInfo("America/Danmarkshavn"), 1995), *spans_of(ZoneInfo("America/Danmarkshavn"), 1996)]

    assert sum(span.shift for span in spans if to_instant(span.start).year >= 1996) == 3 * 3600


def test_three_hours_and_more_are_a_correction_of_the_clock() -> None:
    (lost_day,) = [span for span in spans_of(ZoneInfo("Pacific/Apia"), 2011) if span.shift > 3600]

    assert lost_day.shift == 24 * 3600
    assert not lost_day.skips


def test_seconds_and_instants_are_two_names_of_one_thing() -> None:
    instant = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)

    assert to_instant(to_seconds(instant)) == instant
    assert to_seconds(datetime(2026, 11, 23, tzinfo=UTC)) == instant.toordinal() * 86_400


def test_spans_cover_time_without_a_hole() -> None:
    start = to_seconds(datetime(2020, 6, 1, tzinfo=UTC))
    spans = list(spans_from(ZoneInfo("Africa/Casablanca"), start, years=10))

    assert all(span.stop == following.start for span, following in pairwise(spans))


@pytest.mark.slow
def test_no_change_of_any_zone_is_overlooked() -> None:
    """Between two changes lie more than the two days that are sampled, so every hour's offset is its span's."""
    checked = 0
    for name in sorted(zoneinfo.available_timezones())[::7]:
        zone = ZoneInfo(name)
        for year in (1941, 1974, 1995, 2011, 2026, 2045):
            at = datetime(year, 1, 1, 0, 30, tzinfo=UTC)
            for span in spans_of(zone, year):
                while at.year == year and to_seconds(at) < span.stop:
                    assert at.astimezone(zone).utcoffset() == timedelta(seconds=span.offset), (name, at)
                    at += timedelta(hours=7)
                    checked += 1
    assert checked > 100_000
