"""Slots hold against a daemon that lives through every minute, against cronsim, and against themselves."""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tests.property.cron_model import (
    DAILY_PATTERNS,
    EVERY_DAY,
    INSTANTS,
    ODD_ZONES,
    PATTERNS,
    Drawn,
    DrawnPattern,
    live_through,
)

from smart_cron.core.errors import InvalidScheduleError
from smart_cron.core.schedule import Schedule
from smart_cron.core.zones import spans_of, to_instant

pytestmark = pytest.mark.slow

ZONES = st.sampled_from(ODD_ZONES).map(ZoneInfo)
DAY = timedelta(days=1)


def _changes(zone: ZoneInfo, first_year: int, last_year: int) -> list[datetime]:
    years = range(first_year, last_year + 1)
    return [to_instant(span.start) for year in years for span in spans_of(zone, year) if span.shift]


CHANGES = [(name, at) for name in ODD_ZONES for at in _changes(ZoneInfo(name), 1990, 2030)]


def _schedule(pattern: DrawnPattern) -> Schedule:
    try:
        return Schedule.parse(pattern.text)
    except InvalidScheduleError:
        assume(False)
        raise


def _leave_out_what_cronsim_misreads(pattern: DrawnPattern) -> None:
    """`5-5/2` is 5 in crontab(5); cronsim reads it as 5-59/2."""
    assume(not re.search(r"\b(\d+)-\1/", pattern.text))


@settings(max_examples=250)
@given(DAILY_PATTERNS, st.sampled_from(CHANGES), st.integers(0, 36 * 60))
def test_around_a_clock_change_slots_are_those_of_a_daemon_that_sees_every_minute(
    pattern: DrawnPattern, change: tuple[str, datetime], minutes_before: int
) -> None:
    zone, start = ZoneInfo(change[0]), change[1] - timedelta(minutes=minutes_before)
    end = start + timedelta(days=2)

    assert list(_schedule(pattern).slots(start, end, zone)) == list(live_through(pattern, zone, start, end))


@given(PATTERNS, ZONES, INSTANTS)
def test_slots_of_any_week_are_those_of_a_daemon_that_sees_every_minute(
    pattern: DrawnPattern, zone: ZoneInfo, start: datetime
) -> None:
    schedule, end = _schedule(pattern), start + timedelta(days=4)

    assert list(schedule.slots(start, end, zone)) == list(live_through(pattern, zone, start, end))


@settings(max_examples=150)
@given(PATTERNS, INSTANTS)
def test_without_clock_changes_cronsim_says_the_same(pattern: DrawnPattern, start: datetime) -> None:
    _leave_out_what_cronsim_misreads(pattern)
    schedule = _schedule(pattern)
    theirs = CronSim(pattern.text, start)

    assert [schedule.next_after(start, ZoneInfo("UTC"))] == [next(theirs)]


@settings(max_examples=150)
@given(PATTERNS, st.sampled_from(["Europe/Berlin", "America/New_York", "Pacific/Auckland"]), INSTANTS)
def test_with_whole_hour_changes_at_night_cronsim_says_the_same(
    pattern: DrawnPattern, zone_name: str, start: datetime
) -> None:
    """Where cronsim's answer lies before the instant asked about, its next one counts."""
    _leave_out_what_cronsim_misreads(pattern)
    schedule, zone = _schedule(pattern), ZoneInfo(zone_name)
    later = (at for found in CronSim(pattern.text, start.astimezone(zone)) if (at := found.astimezone(UTC)) > start)

    assert schedule.next_after(start, zone) == next(later)


@settings(max_examples=300)
@given(PATTERNS, ZONES, INSTANTS)
def test_the_next_slot_is_strictly_later_and_on_a_whole_second(
    pattern: DrawnPattern, zone: ZoneInfo, instant: datetime
) -> None:
    found = _schedule(pattern).next_after(instant, zone)

    assert found > instant
    assert found.microsecond == 0
    assert found.tzinfo is UTC


@settings(max_examples=300)
@given(PATTERNS, ZONES, INSTANTS)
def test_forward_and_back_agree(pattern: DrawnPattern, zone: ZoneInfo, instant: datetime) -> None:
    schedule = _schedule(pattern)
    following = schedule.next_after(instant, zone)
    tick = timedelta(microseconds=1)

    assert schedule.previous(following + tick, zone) == following
    before = schedule.previous(following, zone)
    assert before is None or (before <= instant and schedule.next_after(before, zone) == following)


@settings(max_examples=150)
@given(DAILY_PATTERNS, st.sampled_from(CHANGES), st.integers(0, 3 * 24 * 60), st.integers(1, 4 * 24 * 60))
@example(
    DrawnPattern(Drawn("30", frozenset({30})), Drawn("2", frozenset({2})), EVERY_DAY, EVERY_DAY, EVERY_DAY),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    60,
    120,
)
def test_counting_and_the_newest_agree_with_walking(
    pattern: DrawnPattern, change: tuple[str, datetime], minutes_before: int, minutes: int
) -> None:
    zone, start = ZoneInfo(change[0]), change[1] - timedelta(minutes=minutes_before)
    schedule, end = _schedule(pattern), start + timedelta(minutes=minutes)
    walked = list(schedule.slots(start, end, zone))

    assert schedule.count_between(start, end, zone) == len(walked)
    assert schedule.last_between(start, end, zone) == (walked[-1] if walked else None)
    assert all(earlier < later for earlier, later in pairwise(walked))
    assert [schedule.next_after(at, zone) for at in (start, *walked[:20])][: len(walked)] == walked[:21]


@given(PATTERNS, ZONES, INSTANTS, st.integers(1, 3650), st.integers(0, 3650))
def test_counts_of_two_halves_add_up(
    pattern: DrawnPattern, zone: ZoneInfo, start: datetime, days: int, cut: int
) -> None:
    schedule, end = _schedule(pattern), start + days * DAY
    middle = min(start + cut * DAY, end)

    whole = schedule.count_between(start, end, zone)
    assert whole == schedule.count_between(start, middle, zone) + schedule.count_between(middle, end, zone)


@pytest.mark.parametrize("pattern", ["30 2 * * *", "*/20 0-3 * * *", "0,15 23,0,1 * * *"])
def test_in_every_zone_there_is_no_slot_that_a_minute_by_minute_daemon_does_not_know(pattern: str) -> None:
    """Every zone, at its last two changes before 2028; zones that share their changes are looked at once."""
    minute, hour = pattern.split()[:2]
    drawn = DrawnPattern(Drawn(minute, MEANINGS[minute]), Drawn(hour, MEANINGS[hour]), EVERY_DAY, EVERY_DAY, EVERY_DAY)
    schedule = Schedule.parse(pattern)
    for zone in _distinct_zones():
        for change in _changes(zone, 2024, 2027)[-2:]:
            start, end = change - timedelta(hours=3), change + timedelta(hours=3)

            assert list(schedule.slots(start, end, zone)) == list(live_through(drawn, zone, start, end)), zone.key


def _distinct_zones() -> list[ZoneInfo]:
    zones = (ZoneInfo(name) for name in sorted(zoneinfo.available_timezones()))
    return list({tuple(spans_of(zone, year) for year in range(2024, 2028)): zone for zone in zones}.values())


MEANINGS = {
    "30": frozenset({30}),
    "2": frozenset({2}),
    "*/20": frozenset({0, 20, 40}),
    "0-3": frozenset(range(4)),
    "0,15": frozenset({0, 15}),
    "23,0,1": frozenset({23, 0, 1}),
}
