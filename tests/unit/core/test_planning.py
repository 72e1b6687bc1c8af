"""What becomes of slots: on time, missed, overlapping, edited, set by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from smart_cron.core.planning import CLOCK_TOLERANCE, MAX_STARTS, plan
from smart_cron.core.run import DueTask, SlotOutcome, SlotPlan, Status
from smart_cron.core.task import OnMissed, OnOverlap

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SECOND = timedelta(seconds=1)


def new_row(**changes: Any) -> DueTask:
    """Return a row that nobody has planned yet: hourly, enabled, with default policies."""
    columns: dict[str, Any] = {
        "task_id": 1,
        "name": "report",
        "schedule": "0 * * * *",
        "time_zone": None,
        "enabled": True,
        "priority": 5,
        "on_missed": OnMissed.LATEST,
        "on_overlap": OnOverlap.SKIP,
        "start_deadline_seconds": None,
        "group": None,
        "node_tag": None,
        "next_run_at": None,
        "planned_schedule": None,
        "planned_zone": None,
        "planned_enabled": None,
        "planned_next_run_at": None,
        "accounted_until": None,
    }
    return DueTask(**(columns | changes))


def seen_row(*, accounted_until: datetime, first: datetime, **changes: Any) -> DueTask:
    """Return a row as planning left it: accounted for, with its next slot at `first`."""
    planned = {
        "next_run_at": first,
        "planned_schedule": "0 * * * *",
        "planned_zone": "UTC",
        "planned_enabled": True,
        "planned_next_run_at": first,
        "accounted_until": accounted_until,
    }
    return new_row(**(planned | changes))


def look(task: DueTask, now: datetime = NOON, **changes: Any) -> SlotPlan:
    settings: dict[str, Any] = {
        "now": now,
        "default_zone": "UTC",
        "misfire_grace": timedelta(seconds=60),
        "started_at": NOON - timedelta(minutes=5),
    }
    return plan(task, **(settings | changes))


def starts(made: SlotPlan) -> list[tuple[datetime, Status]]:
    return [(start.scheduled_for, start.status) for start in made.starts]


def gaps(made: SlotPlan) -> list[tuple[datetime, datetime, int, SlotOutcome]]:
    return [(gap.first, gap.last, gap.count, gap.outcome) for gap in made.not_run]


def on_time(**changes: Any) -> DueTask:
    return seen_row(accounted_until=NOON - HOUR, first=NOON, **changes)


def after_an_outage(**changes: Any) -> DueTask:
    """A slot at 09:00, 10:00 and 11:00 was missed, the one at 12:00 is due now."""
    return seen_row(accounted_until=NOON - 4 * HOUR, first=NOON - 3 * HOUR, **changes)


def test_a_slot_on_time_starts_and_the_next_one_follows() -> None:
    made = look(on_time(), now=NOON + 3 * SECOND)

    assert starts(made) == [(NOON, Status.WAITING)]
    assert made.not_run == ()
    assert made.next_run_at == NOON + HOUR
    assert made.accounted_until == NOON + 3 * SECOND


def test_a_task_that_is_not_due_is_left_as_it_is() -> None:
    made = look(seen_row(accounted_until=NOON - MINUTE, first=NOON + HOUR))

    assert (made.starts, made.not_run, made.next_run_at) == ((), (), NOON + HOUR)


def test_a_new_row_starts_with_its_next_slot() -> None:
    made = look(new_row())

    assert (made.starts, made.not_run) == ((), ())
    assert (made.next_run_at, made.accounted_until, made.zone) == (NOON + HOUR, NOON, "UTC")


def test_a_new_row_with_a_slot_of_its_own_starts_at_that_instant() -> None:
    odd = NOON - timedelta(seconds=7, microseconds=250)

    assert starts(look(new_row(next_run_at=odd))) == [(odd, Status.WAITING)]
    assert look(new_row(next_run_at=NOON + 20 * MINUTE)).next_run_at == NOON + 20 * MINUTE


def test_a_new_row_that_is_disabled_has_no_next_slot() -> None:
    made = look(new_row(enabled=False, next_run_at=NOON))

    assert (made.starts, made.next_run_at, made.accounted_until) == ((), None, NOON)


def test_reboot_has_no_slots_here() -> None:
    made = look(new_row(schedule="@reboot"))

    assert (made.starts, made.next_run_at, made.invalid_reason) == ((), None, None)


def test_the_tasks_own_zone_wins_over_the_default() -> None:
    made = look(new_row(schedule="0 9 * * *", time_zone="Asia/Tokyo"), default_zone="Europe/Berlin")

    assert (made.zone, made.next_run_at) == ("Asia/Tokyo", NOON.replace(hour=0) + DAY)


class TestMissedSlots:
    def test_latest_runs_the_newest_and_it_covers_the_older(self) -> None:
        made = look(after_an_outage())

        assert starts(made) == [(NOON, Status.WAITING)]
        assert gaps(made) == [(NOON - 3 * HOUR, NOON - HOUR, 3, SlotOutcome.COALESCED)]
        assert "2026-11-23T12:00:00Z" in made.not_run[0].reason

    def test_latest_runs_the_newest_however_late(self) -> None:
        made = look(after_an_outage(), now=NOON + 59 * MINUTE)

        assert starts(made) == [(NOON, Status.WAITING)]

    def test_all_runs_each_one_behind_the_other(self) -> None:
        made = look(after_an_outage(on_missed=OnMissed.ALL))

        assert [slot for slot, _ in starts(made)] == [NOON - n * HOUR for n in (3, 2, 1, 0)]
        assert [status for _, status in starts(made)] == [Status.WAITING, *[Status.QUEUED] * 3]
        assert made.not_run == ()

    def test_all_comes_in_portions_and_goes_on_where_it_stopped(self) -> None:
        long_ago = NOON - 2 * DAY
        task = seen_row(
            accounted_until=long_ago, first=long_ago + MINUTE, schedule="* * * * *", planned_schedule="* * * * *",
            on_missed=OnMissed.ALL,
        )  # fmt: skip
        made = look(task)

        assert len(made.starts) == MAX_STARTS
        assert made.next_run_at == long_ago + (MAX_STARTS + 1) * MINUTE
        assert made.accounted_until is not None
        assert made.starts[-1].scheduled_for <= made.accounted_until < made.next_run_at

    def test_an_edit_during_a_long_catch_up_tells_what_it_leaves_out(self) -> None:
        long_ago = NOON - 2 * DAY
        task = seen_row(
            accounted_until=long_ago, first=long_ago + MINUTE, schedule="0 0 * * *", planned_schedule="* * * * *",
            on_missed=OnMissed.ALL,
        )  # fmt: skip
        made = look(task)

        assert len(made.starts) == MAX_STARTS
        assert [gap.count for gap in made.not_run] == [2880 - MAX_STARTS]
        assert (made.accounted_until, made.next_run_at) == (NOON, NOON + 12 * HOUR)

    def test_skip_runs_only_what_is_on_time(self) -> None:
        made = look(after_an_outage(on_missed=OnMissed.SKIP), now=NOON + 60 * SECOND)

        assert starts(made) == [(NOON, Status.WAITING)]
        assert gaps(made) == [(NOON - 3 * HOUR, NOON - HOUR, 3, SlotOutcome.MISSED)]

    def test_skip_runs_nothing_when_even_the_newest_is_late(self) -> None:
        made = look(after_an_outage(on_missed=OnMissed.SKIP), now=NOON + 61 * SECOND)

        assert made.starts == ()
        assert gaps(made) == [(NOON - 3 * HOUR, NOON, 4, SlotOutcome.MISSED)]

    def test_hold_keeps_the_missed_ones_for_a_person(self) -> None:
        made = look(after_an_outage(on_missed=OnMissed.HOLD), now=NOON + 30 * MINUTE)

        assert gaps(made) == [(NOON - 3 * HOUR, NOON, 4, SlotOutcome.HELD)]
        assert made.next_run_at == NOON + HOUR

    @pytest.mark.parametrize(
        ("started_at", "cause"), [(NOON + HOUR, "no master was running"), (NOON - DAY, "no master came")]
    )
    def test_the_reason_tells_absence_from_lateness(self, started_at: datetime, cause: str) -> None:
        task = on_time(on_missed=OnMissed.SKIP)
        made = look(task, now=NOON + 30 * MINUTE, started_at=started_at)

        assert cause in made.not_run[0].reason
        assert "on_missed is skip" in made.not_run[0].reason

    def test_ten_years_of_minutes_are_one_range(self) -> None:
        long_ago = NOON - 3650 * DAY
        task = seen_row(
            accounted_until=long_ago, first=long_ago + MINUTE, schedule="* * * * *", planned_schedule="* * * * *"
        )
        made = look(task)

        assert gaps(made) == [(long_ago + MINUTE, NOON - MINUTE, 3650 * 1440 - 1, SlotOutcome.COALESCED)]


class TestStartDeadline:
    def test_a_slot_past_its_deadline_never_starts(self) -> None:
        made = look(on_time(start_deadline_seconds=300), now=NOON + 301 * SECOND)

        assert made.starts == ()
        assert gaps(made) == [(NOON, NOON, 1, SlotOutcome.MISSED)]
        assert made.not_run[0].reason == "the start deadline of 300 s passed"

    def test_a_slot_within_its_deadline_says_until_when_it_may_start(self) -> None:
        made = look(on_time(start_deadline_seconds=300), now=NOON + 300 * SECOND)

        assert [start.start_before for start in made.starts] == [NOON + 300 * SECOND]

    def test_of_many_missed_ones_only_those_within_it_are_caught_up(self) -> None:
        made = look(after_an_outage(on_missed=OnMissed.ALL, start_deadline_seconds=3600))

        assert [slot for slot, _ in starts(made)] == [NOON - HOUR, NOON]
        assert gaps(made) == [(NOON - 3 * HOUR, NOON - 2 * HOUR, 2, SlotOutcome.MISSED)]


class TestOverlap:
    def test_skip_names_the_run_that_had_not_ended(self) -> None:
        made = look(on_time(active_execution_ids=(123,)))

        assert gaps(made) == [(NOON, NOON, 1, SlotOutcome.SKIPPED)]
        assert "run 123" in made.not_run[0].reason

    def test_skip_leaves_out_the_missed_ones_with_the_newest(self) -> None:
        made = look(after_an_outage(active_execution_ids=(123,)))

        assert gaps(made) == [(NOON - 3 * HOUR, NOON, 4, SlotOutcome.SKIPPED)]

    def test_a_missed_slot_keeps_its_own_reason_beside_a_skipped_one(self) -> None:
        made = look(after_an_outage(active_execution_ids=(123,), on_missed=OnMissed.HOLD))

        assert [gap[2:] for gap in gaps(made)] == [(3, SlotOutcome.HELD), (1, SlotOutcome.SKIPPED)]

    def test_queue_lets_one_wait(self) -> None:
        made = look(on_time(active_execution_ids=(123,), on_overlap=OnOverlap.QUEUE))

        assert starts(made) == [(NOON, Status.QUEUED)]

    def test_queue_lets_no_second_one_wait(self) -> None:
        made = look(on_time(active_execution_ids=(123, 124), queued=True, on_overlap=OnOverlap.QUEUE))

        assert gaps(made) == [(NOON, NOON, 1, SlotOutcome.SKIPPED)]

    def test_replace_ends_what_runs_and_waits_for_its_end(self) -> None:
        made = look(on_time(active_execution_ids=(123, 124), on_overlap=OnOverlap.REPLACE))

        assert starts(made) == [(NOON, Status.QUEUED)]
        assert made.cancel_execution_ids == (123, 124)

    def test_allow_starts_beside_it(self) -> None:
        made = look(on_time(active_execution_ids=(123,), on_overlap=OnOverlap.ALLOW))

        assert starts(made) == [(NOON, Status.WAITING)]

    def test_allow_starts_a_whole_catch_up_side_by_side(self) -> None:
        made = look(after_an_outage(on_missed=OnMissed.ALL, on_overlap=OnOverlap.ALLOW))

        assert {status for _, status in starts(made)} == {Status.WAITING}

    @pytest.mark.parametrize("policy", [OnOverlap.SKIP, OnOverlap.QUEUE])
    def test_a_catch_up_of_all_is_queued_and_not_dropped(self, policy: OnOverlap) -> None:
        task = after_an_outage(on_missed=OnMissed.ALL, active_execution_ids=(123,), queued=True, on_overlap=policy)
        made = look(task)

        assert [status for _, status in starts(made)] == [Status.QUEUED] * 4

    def test_a_slot_on_time_of_an_all_task_is_skipped_like_any_other(self) -> None:
        made = look(on_time(on_missed=OnMissed.ALL, active_execution_ids=(123,)))

        assert gaps(made) == [(NOON, NOON, 1, SlotOutcome.SKIPPED)]


class TestEdits:
    def test_slots_up_to_now_belong_to_the_pattern_that_was_seen(self) -> None:
        made = look(on_time(schedule="30 * * * *"))

        assert starts(made) == [(NOON, Status.WAITING)]
        assert made.next_run_at == NOON + 30 * MINUTE

    def test_a_new_pattern_has_no_slots_before_it_was_seen(self) -> None:
        task = seen_row(accounted_until=NOON - 10 * MINUTE, first=NOON + HOUR, schedule="* * * * *")
        made = look(task)

        assert (made.starts, made.not_run) == ((), ())
        assert made.next_run_at == NOON + MINUTE

    def test_another_zone_moves_the_next_slot(self) -> None:
        task = seen_row(
            accounted_until=NOON, first=NOON + 14 * HOUR, schedule="0 2 * * *", planned_schedule="0 2 * * *",
            time_zone="Asia/Tokyo",
        )  # fmt: skip

        assert look(task, now=NOON + MINUTE).next_run_at == NOON + 5 * HOUR

    def test_another_default_zone_moves_it_as_well(self) -> None:
        task = seen_row(
            accounted_until=NOON, first=NOON + 14 * HOUR, schedule="0 2 * * *", planned_schedule="0 2 * * *"
        )

        assert look(task, now=NOON + MINUTE, default_zone="Asia/Tokyo").next_run_at == NOON + 5 * HOUR

    def test_disabling_starts_nothing_any_more_and_says_what_it_left_out(self) -> None:
        made = look(after_an_outage(enabled=False))

        assert made.starts == ()
        assert gaps(made) == [(NOON - 3 * HOUR, NOON, 4, SlotOutcome.MISSED)]
        assert "disabled" in made.not_run[0].reason
        assert made.next_run_at is None

    def test_enabling_owes_nothing_for_the_time_before(self) -> None:
        task = new_row(
            planned_schedule="0 * * * *", planned_zone="UTC", planned_enabled=False, accounted_until=NOON - DAY
        )
        made = look(task)

        assert (made.starts, made.not_run, made.next_run_at) == ((), (), NOON + HOUR)

    def test_a_definition_that_can_no_longer_be_read_owes_nothing(self) -> None:
        made = look(after_an_outage(planned_zone="Atlantis/Capital"))

        assert (made.starts, made.not_run, made.next_run_at) == ((), (), NOON + HOUR)


class TestSetByHand:
    def test_a_past_one_is_a_slot_though_it_is_off_the_pattern(self) -> None:
        odd = NOON + 20 * MINUTE
        made = look(seen_row(accounted_until=NOON, first=NOON + HOUR, next_run_at=odd), now=odd + SECOND)

        assert starts(made) == [(odd, Status.WAITING)]
        assert made.next_run_at == NOON + HOUR

    def test_one_that_has_an_outcome_is_passed_over(self) -> None:
        task = seen_row(accounted_until=NOON, first=NOON + HOUR, next_run_at=NOON)
        made = look(task, now=NOON + MINUTE, taken=frozenset({NOON}))

        assert (made.starts, made.next_run_at) == ((), NOON + HOUR)

    def test_a_future_one_takes_the_place_of_the_slots_before_it(self) -> None:
        later = NOON + 3 * HOUR + MINUTE
        noticed = look(seen_row(accounted_until=NOON, first=NOON + HOUR, next_run_at=later), now=NOON + SECOND)
        task = seen_row(accounted_until=NOON + SECOND, first=later)
        made = look(task, now=later)

        assert (noticed.starts, noticed.next_run_at) == ((), later)
        assert starts(made) == [(later, Status.WAITING)]
        assert made.not_run == ()
        assert made.next_run_at == NOON + 4 * HOUR

    def test_a_future_one_stays_through_a_pass_that_looks_for_other_reasons(self) -> None:
        later = NOON + 3 * HOUR + MINUTE

        assert look(seen_row(accounted_until=NOON, first=later), now=NOON + 2 * HOUR).next_run_at == later

    def test_it_is_decided_together_with_the_patterns_slots(self) -> None:
        odd = NOON - 20 * MINUTE
        made = look(after_an_outage(next_run_at=odd))

        assert starts(made) == [(NOON, Status.WAITING)]
        assert gaps(made) == [
            (NOON - 3 * HOUR, NOON - HOUR, 3, SlotOutcome.COALESCED),
            (odd, odd, 1, SlotOutcome.COALESCED),
        ]

    def test_one_on_the_pattern_is_not_counted_twice(self) -> None:
        made = look(after_an_outage(next_run_at=NOON - HOUR, on_missed=OnMissed.ALL))

        assert [slot for slot, _ in starts(made)] == [NOON - n * HOUR for n in (3, 2, 1, 0)]

    def test_one_from_before_the_high_water_mark_runs_again_where_nothing_is_known_of_it(self) -> None:
        yesterday = NOON - DAY
        made = look(seen_row(accounted_until=NOON - MINUTE, first=NOON + HOUR, next_run_at=yesterday))

        assert starts(made) == [(yesterday, Status.WAITING)]

    def test_taken_away_by_hand_it_comes_back_from_the_pattern(self) -> None:
        made = look(seen_row(accounted_until=NOON, first=NOON + HOUR, next_run_at=None), now=NOON + SECOND)

        assert made.next_run_at == NOON + HOUR


class TestClockSetBack:
    def test_the_patterns_next_slot_is_withdrawn(self) -> None:
        task = seen_row(accounted_until=NOON, first=NOON + HOUR)
        made = look(task, now=NOON - 3 * HOUR + MINUTE)

        assert (made.starts, made.not_run) == ((), ())
        assert (made.next_run_at, made.accounted_until) == (NOON - 2 * HOUR, NOON - 3 * HOUR + MINUTE)

    def test_one_that_a_person_set_stays(self) -> None:
        task = seen_row(accounted_until=NOON, first=NOON + 90 * MINUTE)

        assert look(task, now=NOON - SECOND).next_run_at == NOON + 90 * MINUTE


class TestAnotherNodesClockIsAhead:
    AHEAD = seen_row(accounted_until=NOON + SECOND, first=NOON + HOUR)

    def test_what_it_has_decided_stands(self) -> None:
        made = look(self.AHEAD)

        assert (made.starts, made.not_run) == ((), ())
        assert (made.next_run_at, made.accounted_until) == (NOON + HOUR, NOON + SECOND)

    def test_an_edited_pattern_begins_where_its_account_ends(self) -> None:
        task = replace(self.AHEAD, schedule="* * * * *", accounted_until=NOON + SECOND)

        made = look(task, now=NOON - SECOND)

        assert (made.next_run_at, made.accounted_until) == (NOON + MINUTE, NOON + SECOND)

    def test_a_slot_set_by_hand_comes_when_it_is_due_here(self) -> None:
        slot = NOON + SECOND / 2
        task = replace(self.AHEAD, next_run_at=slot)

        assert look(task).next_run_at == slot
        assert starts(look(task, now=slot)) == [(slot, Status.WAITING)]

    def test_one_that_is_ahead_by_more_has_met_a_clock_set_back(self) -> None:
        task = replace(self.AHEAD, accounted_until=NOON + CLOCK_TOLERANCE + SECOND)

        assert look(task).accounted_until == NOON


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"schedule": "61 * * * *"}, "minute '61'"),
        ({"schedule": "0 0 30 2 *"}, "never fire"),
        ({"time_zone": "Atlantis/Capital"}, "Atlantis/Capital"),
        ({"on_missed": "perhaps"}, "on_missed must be one of latest, all, skip, hold"),
        ({"on_overlap": "perhaps"}, "on_overlap must be one of"),
        ({"priority": 0}, "priority must be 1 to 10"),
        ({"priority": 11}, "priority must be 1 to 10"),
        ({"start_deadline_seconds": -1}, "start_deadline_seconds"),
    ],
)
def test_an_invalid_row_is_named_and_what_came_due_before_is_missed(changes: dict[str, Any], word: str) -> None:
    made = look(after_an_outage(**changes))

    assert made.invalid_reason is not None
    assert word in made.invalid_reason
    assert (made.starts, made.next_run_at, made.accounted_until) == ((), None, NOON)
    assert gaps(made) == [(NOON - 3 * HOUR, NOON, 4, SlotOutcome.MISSED)]


@pytest.mark.parametrize("make", [on_time, after_an_outage])
def test_words_of_the_database_do_as_well_as_ours(make: Callable[..., DueTask]) -> None:
    assert look(make(on_missed="latest", on_overlap="skip")).starts == look(make()).starts
