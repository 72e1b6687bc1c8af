from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from typing import Any

import pytest

from smart_cron.core.ledger import KEYS, LedgerRange, LedgerRun, UnrunSlot, lines, run_document, stamp, unfold
from smart_cron.core.run import SlotOutcome, Status
from smart_cron.core.schedule import Schedule, zone

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def gap(**changes: Any) -> LedgerRange:
    known: dict[str, Any] = {
        "task": "report",
        "first": NOON,
        "last": NOON + 9 * MINUTE,
        "count": 10,
        "outcome": SlotOutcome.MISSED,
        "reason": "no master was running to start it (on_missed is skip)",
        "schedule": "* * * * *",
        "zone": "UTC",
    }
    return LedgerRange(**(known | changes))


def run(**changes: Any) -> LedgerRun:
    known: dict[str, Any] = {
        "execution_id": 1,
        "task": "report",
        "scheduled_for": NOON,
        "attempt": 1,
        "status": Status.SUCCESS,
        "reason": None,
        "started_at": NOON,
        "completed_at": NOON + MINUTE,
        "duration": 60.0,
        "exit_code": 0,
        "term_signal": None,
        "triggered_by": "cron",
        "run_id": "r",
        "node": "one",
        "output_bytes": 5,
        "output_sha256": "aa",
        "output_truncated": False,
        "created_at": NOON,
    }
    return LedgerRun(**(known | changes))


def nothing_ran(_first: datetime, _last: datetime) -> list[datetime]:
    return []


def slots(found: LedgerRange, **bounds: Any) -> list[datetime]:
    return list(unfold(found, **({"ran": nothing_ran} | bounds)))


def minutes(*numbers: int) -> list[datetime]:
    return [NOON + number * MINUTE for number in numbers]


def test_a_range_becomes_its_slots_again() -> None:
    assert slots(gap()) == minutes(*range(10))


def test_an_interval_takes_its_beginning_and_not_its_end() -> None:
    assert slots(gap(), since=NOON + 2 * MINUTE, until=NOON + 4 * MINUTE) == minutes(2, 3)


def test_slots_follow_the_zone_kept_with_the_range_across_a_clock_change() -> None:
    first, last = datetime(2026, 3, 28, 1, 30, tzinfo=UTC), datetime(2026, 3, 30, 0, 30, tzinfo=UTC)

    found = slots(gap(first=first, last=last, count=3, schedule="30 2 * * *", zone="Europe/Berlin"))

    assert found == [first, datetime(2026, 3, 29, 1, 0, tzinfo=UTC), last]


def test_ends_set_by_hand_are_slots_off_the_pattern() -> None:
    early, late = NOON - timedelta(seconds=17), NOON + timedelta(seconds=90, microseconds=5)

    assert slots(gap(first=early, last=late, count=4)) == [early, *minutes(0, 1), late]


def test_one_slot_needs_no_pattern() -> None:
    assert slots(gap(last=NOON, count=1, schedule="never was")) == [NOON]


def test_of_a_pattern_or_zone_that_is_not_known_any_more_the_ends_are_told() -> None:
    assert slots(gap(zone="Mars/Olympus")) == minutes(0, 9)
    assert slots(gap(schedule="61 * * * *")) == minutes(0, 9)


def test_slots_that_ran_before_the_clock_was_set_back_are_no_lines_of_the_range() -> None:
    found = slots(gap(count=8), ran=lambda _first, _last: minutes(3, 5))

    assert found == minutes(0, 1, 2, 4, 6, 7, 8, 9)


def test_a_first_slot_set_by_hand_long_before_brings_no_slots_that_were_not_counted() -> None:
    by_hand = NOON - timedelta(days=1, seconds=5)

    assert slots(gap(first=by_hand, count=4)) == [by_hand, *minutes(7, 8, 9)]


@pytest.mark.parametrize("pattern", ["* * * * *", "*/7 * * * *", "30 2 * * *", "0,30 */2 * * *"])
@pytest.mark.parametrize("zone_name", ["UTC", "Europe/Berlin", "Australia/Lord_Howe"])
@pytest.mark.parametrize("hours", [0, 26 * 24 + 5, 217 * 24 + 3, 237 * 24 + 20])
def test_unfolding_undoes_what_planning_folded(pattern: str, zone_name: str, hours: int) -> None:
    """From several hours, the eves of clock changes among them."""
    place, slot = zone(zone_name), NOON + timedelta(hours=hours)
    folded = [slot := Schedule.parse(pattern).next_after(slot, place) for _ in range(100)]

    found = gap(first=folded[0], last=folded[-1], count=100, schedule=pattern, zone=zone_name)

    assert slots(found) == folded


def test_every_line_has_the_same_keys_in_the_same_order() -> None:
    found = [json.loads(line) for line in lines([run(), UnrunSlot(NOON, gap()), UnrunSlot(NOON + MINUTE, gap())])]

    assert [tuple(line) for line in found] == [KEYS] * 3
    assert tuple(run_document(run())) == KEYS


def test_a_slot_that_did_not_run_has_its_reason_and_nothing_of_a_run() -> None:
    name = 'say "hi"\n\N{SNOWMAN}'
    [line] = [json.loads(line) for line in lines([UnrunSlot(NOON, gap(task=name, reason='it is "so"'))])]

    told = {key: value for key, value in line.items() if value is not None}
    assert told == {
        "task": name,
        "scheduled_for": "2026-03-01T12:00:00.000000Z",
        "status": "missed",
        "reason": 'it is "so"',
    }


def test_lines_are_ascii_and_one_line_each() -> None:
    for line in lines([run(reason="\x1b[31m\n\N{SNOWMAN}"), UnrunSlot(NOON, gap(reason="\x1b\n\N{SNOWMAN}"))]):
        assert line.isascii()
        assert line.isprintable()


@pytest.mark.parametrize("hours", [0, 5, -11])
def test_instants_are_utc_with_microseconds_and_a_z(hours: int) -> None:
    assert stamp(NOON.astimezone(timezone(timedelta(hours=hours)))) == "2026-03-01T12:00:00.000000Z"


@pytest.mark.slow
def test_a_year_of_a_minute_task_is_told_in_flat_memory() -> None:
    """Ten years take ten times as long and not a byte more: what is alive at once is one slot."""
    year = gap(last=NOON + timedelta(days=365) - MINUTE, count=525_600)
    told = lines(UnrunSlot(slot, year) for slot in unfold(year, ran=nothing_ran))
    next(told)
    tracemalloc.start()
    count = sum(1 for _ in islice(told, 10_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 2_000_000
    assert count + sum(1 for _ in told) + 1 == 525_600
