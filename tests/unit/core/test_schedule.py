"""Slots by the rules of Debian's cron, at the places where others go wrong."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime, timedelta, timezone

import pytest

from smart_cron.core.errors import InvalidInputError, InvalidScheduleError
from smart_cron.core.schedule import Schedule, zone

DAY = timedelta(days=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slots_of(pattern: str, zone_name: str, start: str, end: str) -> list[str]:
    """Return slots as local times with their offsets."""
    where = zone(zone_name)
    found = Schedule.parse(pattern).slots(utc(start), utc(end), where)
    return [f"{slot.astimezone(where):%m-%d %H:%M%z}" for slot in found]


BERLIN_SPRING = ("Europe/Berlin", "2026-03-28 12:00", "2026-03-29 12:00")
BERLIN_AUTUMN = ("Europe/Berlin", "2026-10-24 12:00", "2026-10-25 12:00")


def test_a_fixed_time_in_the_skipped_hour_runs_right_after_it() -> None:
    assert slots_of("30 2 * * *", *BERLIN_SPRING) == ["03-29 03:00+0200"]


def test_several_fixed_times_in_the_skipped_hour_run_once_together() -> None:
    assert slots_of("0,15,30 2,3 * * *", *BERLIN_SPRING) == ["03-29 03:00+0200", "03-29 03:15+0200", "03-29 03:30+0200"]


def test_a_slot_that_also_catches_up_is_counted_once() -> None:
    start, end = utc("2026-03-28 12:00"), utc("2026-03-29 12:00")

    assert Schedule.parse("0,15,30 2,3 * * *").count_between(start, end, zone("Europe/Berlin")) == 3


def test_a_fixed_time_in_the_repeated_hour_runs_the_first_time_only() -> None:
    assert slots_of("30 2 * * *", *BERLIN_AUTUMN) == ["10-25 02:30+0200"]


def test_a_wildcard_job_leaves_the_skipped_hour_out() -> None:
    assert slots_of("*/30 1-3 * * *", *BERLIN_SPRING) == [
        "03-29 01:00+0100", "03-29 01:30+0100", "03-29 03:00+0200", "03-29 03:30+0200",
    ]  # fmt: skip


def test_a_wildcard_job_runs_in_both_of_the_repeated_hours() -> None:
    assert slots_of("*/30 2 * * *", *BERLIN_AUTUMN) == [
        "10-25 02:00+0200", "10-25 02:30+0200", "10-25 02:00+0100", "10-25 02:30+0100",
    ]  # fmt: skip


def test_an_hour_of_star_step_is_a_wildcard_and_a_range_with_step_is_fixed() -> None:
    assert len(slots_of("5 */2 * * *", *BERLIN_AUTUMN)) == 13
    assert len(slots_of("5 0-23/2 * * *", *BERLIN_AUTUMN)) == 12


def test_hourly_jobs_keep_their_pace_through_both_changes() -> None:
    assert len(slots_of("@hourly", *BERLIN_SPRING)) == 24
    assert len(slots_of("@hourly", *BERLIN_AUTUMN)) == 24


def test_a_daily_job_runs_once_on_aucklands_autumn_change() -> None:
    assert slots_of("30 2 * * *", "Pacific/Auckland", "2026-04-04 00:00", "2026-04-05 12:00") == ["04-05 02:30+1300"]


def test_from_within_the_repeated_hour_the_next_slot_is_still_later() -> None:
    second_time = utc("2026-10-25 01:15")  # 02:15 in Berlin, for the second time

    assert Schedule.parse("30 2 * * *").next_after(second_time, zone("Europe/Berlin")) == utc("2026-10-26 01:30")


def test_half_an_hour_of_change_is_enough() -> None:
    back = ("Australia/Lord_Howe", "2026-04-04 12:00", "2026-04-05 12:00")
    forth = ("Australia/Lord_Howe", "2026-10-03 12:00", "2026-10-04 12:00")

    assert slots_of("45 1 * * *", *back) == ["04-05 01:45+1100"]
    assert slots_of("*/10 2 * * *", *back) == [f"04-05 02:{m:02}+1030" for m in range(0, 60, 10)]
    assert slots_of("15 2 * * *", *forth) == ["10-04 02:30+1100"]
    assert slots_of("*/10 2 * * *", *forth) == [f"10-04 02:{m:02}+1100" for m in (30, 40, 50)]


def test_a_change_at_midnight_starts_the_day_where_it_really_starts() -> None:
    cairo = ("Africa/Cairo", "2026-04-23 12:00", "2026-04-24 12:00")

    assert slots_of("30 0 * * *", *cairo) == ["04-24 01:00+0300"]
    assert slots_of("*/20 0 * * *", *cairo) == []


def test_two_hours_of_change_are_handled_like_one() -> None:
    assert slots_of("0 2 * * *", "Antarctica/Troll", "2026-03-28 12:00", "2026-03-29 12:00") == ["03-29 03:00+0200"]


def test_a_day_that_never_was_has_no_slots() -> None:
    """A change of three hours or more corrects the clock, and the new time is used at once: cron(8)."""
    apia = ("Pacific/Apia", "2011-12-29 12:00", "2011-12-31 22:00")

    assert slots_of("0 9 * * *", *apia) == ["12-29 09:00-1000", "12-31 09:00+1400", "01-01 09:00+1400"]


def test_three_hours_that_come_again_are_lived_through_again() -> None:
    casey = ("Antarctica/Casey", "2020-03-07 12:00", "2020-03-08 00:00")

    assert slots_of("30 1 * * *", *casey) == ["03-08 01:30+1100", "03-08 01:30+0800"]


def test_ramadan_interrupts_summer_time_without_a_doubled_job() -> None:
    found = slots_of("30 2 * * *", "Africa/Casablanca", "2026-02-01 00:00", "2026-04-01 00:00")

    assert len(found) == len({slot[:5] for slot in found}) == 59


@pytest.mark.parametrize(
    ("pattern", "after", "expected"),
    [
        ("0 0 13 * 5", "2026-11-01 00:00", "2026-11-06 00:00"),
        ("0 0 29 2 *", "2096-03-01 00:00", "2104-02-29 00:00"),
        ("0 0 1 2 *", "2026-01-28 10:00", "2026-02-01 00:00"),
        ("0 0 1 3 *", "2028-01-28 10:00", "2028-03-01 00:00"),
        ("0 0 29 2 */7", "2072-03-01 00:00", "2088-02-29 00:00"),
        ("0 0 29 2 */7", "2088-03-01 00:00", "2128-02-29 00:00"),
        ("59 23 31 12 *", "2026-12-31 23:59", "2027-12-31 23:59"),
        ("@weekly", "2026-11-23 00:00", "2026-11-29 00:00"),
        ("@monthly", "2026-11-23 00:00", "2026-12-01 00:00"),
        ("@yearly", "2026-11-23 00:00", "2027-01-01 00:00"),
    ],
)
def test_finds_the_next_date_however_far(pattern: str, after: str, expected: str) -> None:
    assert Schedule.parse(pattern).next_after(utc(after), zone("UTC")) == utc(expected)


def test_the_next_slot_is_later_even_by_a_microsecond() -> None:
    schedule, noon = Schedule.parse("* * * * *"), utc("2026-11-23 12:00")
    tick = timedelta(microseconds=1)

    assert schedule.next_after(noon, zone("UTC")) == noon + timedelta(minutes=1)
    assert schedule.next_after(noon - tick, zone("UTC")) == noon
    assert schedule.previous(noon, zone("UTC")) == noon - timedelta(minutes=1)
    assert schedule.previous(noon + tick, zone("UTC")) == noon


def test_an_instant_may_come_in_any_zone() -> None:
    elsewhere = utc("2026-11-23 12:00").astimezone(timezone(timedelta(hours=5)))

    assert Schedule.parse("0 13 * * *").next_after(elsewhere, zone("UTC")) == utc("2026-11-23 13:00")


def test_intervals_leave_their_start_out_and_take_their_end_in() -> None:
    schedule, start = Schedule.parse("0 * * * *"), utc("2026-11-23 12:00")
    end = start + timedelta(hours=2)

    assert list(schedule.slots(start, end, zone("UTC"))) == [start + timedelta(hours=1), end]
    assert schedule.count_between(start, end, zone("UTC")) == 2
    assert schedule.last_between(start, end, zone("UTC")) == end
    assert schedule.last_between(start, start + timedelta(minutes=59), zone("UTC")) is None
    assert list(schedule.slots(end, start, zone("UTC"))) == []
    assert schedule.count_between(end, start, zone("UTC")) == 0


def test_a_week_of_a_minute_task_is_counted() -> None:
    end = utc("2026-11-23 12:00")

    assert Schedule.parse("* * * * *").count_between(end - 7 * DAY, end, zone("Europe/Berlin")) == 10_080


def test_ten_years_are_streamed_and_not_collected() -> None:
    end = utc("2026-11-23 12:00")
    slots = Schedule.parse("* * * * *").slots(end - 3650 * DAY, end, zone("Europe/Berlin"))
    tracemalloc.start()
    try:
        for _ in range(2_000):
            next(slots)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 1_000_000
    assert Schedule.parse("* * * * *").count_between(end - 3650 * DAY, end, zone("Europe/Berlin")) == 3650 * 1440


def test_reboot_has_no_slots() -> None:
    schedule, now = Schedule.parse("@reboot"), utc("2026-11-23 12:00")

    assert schedule.is_reboot
    assert schedule.previous(now, zone("UTC")) is None
    assert schedule.count_between(now - DAY, now, zone("UTC")) == 0
    assert list(schedule.slots(now - DAY, now, zone("UTC"))) == []
    with pytest.raises(InvalidScheduleError, match="no slots"):
        schedule.next_after(now, zone("UTC"))


def test_a_search_that_leads_nowhere_ends_with_an_error() -> None:
    with pytest.raises(InvalidScheduleError, match="no slot"):
        Schedule.parse("0 0 1 1 *").next_after(datetime(9998, 6, 1, tzinfo=UTC), zone("UTC"))


def test_equal_patterns_are_equal_and_read_once() -> None:
    assert Schedule.parse("0  0 * * SUN") == Schedule.parse("0 0 * * sun")
    assert Schedule.parse("0 0 * * *") is Schedule.parse("0 0 * * *")


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "/etc/localtime", "Europe", "a\0b", "x" * 300])
def test_an_unknown_zone_is_named(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"time zone .* is not known"):
        zone(name)
