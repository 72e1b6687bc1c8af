"""Slots that are passed over after a restore, whatever the policies of their task say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from smart_cron.core.planning import pass_over
from smart_cron.core.run import DueTask, SlotOutcome, SlotPlan
from smart_cron.core.task import OnMissed, OnOverlap

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TASK = DueTask(
    task_id=1,
    name="report",
    schedule="* * * * *",
    time_zone=None,
    enabled=True,
    priority=5,
    on_missed=OnMissed.ALL,
    on_overlap=OnOverlap.ALLOW,
    start_deadline_seconds=None,
    group=None,
    node_tag=None,
    next_run_at=NOON - 9 * MINUTE,
    planned_schedule="* * * * *",
    planned_zone="UTC",
    planned_enabled=True,
    planned_next_run_at=NOON - 9 * MINUTE,
    accounted_until=NOON - 10 * MINUTE,
)


def passed(task: DueTask = TASK, taken: frozenset[datetime] = frozenset()) -> tuple[SlotPlan, ...]:
    return pass_over(task, now=NOON, default_zone="UTC", reason="restored", taken=taken)


@pytest.mark.parametrize("on_missed", OnMissed)
def test_no_slot_of_the_past_starts_whatever_is_to_be_made_of_missed_ones(on_missed: OnMissed) -> None:
    (plan,) = passed(replace(TASK, on_missed=on_missed))

    (gap,) = plan.not_run
    assert (gap.first, gap.last, gap.count) == (NOON - 9 * MINUTE, NOON, 10)
    assert (gap.outcome, gap.reason) == (SlotOutcome.MISSED, "restored")
    assert (plan.starts, plan.cancel_execution_ids) == ((), ())
    assert (plan.next_run_at, plan.accounted_until) == (NOON + MINUTE, NOON)


def test_slots_that_ran_are_left_out() -> None:
    (plan,) = passed(taken=frozenset({NOON, NOON - 5 * MINUTE}))

    (gap,) = plan.not_run
    assert (gap.last, gap.count) == (NOON - MINUTE, 8)


def test_a_slot_set_by_hand_is_passed_over_like_any_other() -> None:
    (plan,) = passed(replace(TASK, schedule="@yearly", planned_schedule="@yearly", next_run_at=NOON - 30 * MINUTE))

    assert NOON - 30 * MINUTE in {gap.first for gap in plan.not_run}


def test_one_set_by_hand_for_later_stays() -> None:
    (plan,) = passed(replace(TASK, next_run_at=NOON + 90 * MINUTE))

    assert plan.next_run_at == NOON + 90 * MINUTE


def test_a_task_that_cannot_be_planned_is_passed_over_first_and_then_said_to_be_invalid() -> None:
    plan, invalid = passed(replace(TASK, schedule="nonsense"))

    assert [gap.count for gap in plan.not_run] == [10]
    assert (plan.invalid_reason, plan.next_run_at) == (None, None)
    assert invalid.invalid_reason is not None
    assert invalid.not_run == ()


def test_a_new_task_has_no_past() -> None:
    new = replace(TASK, planned_schedule=None, planned_zone=None, planned_enabled=None, accounted_until=None)
    (plan,) = passed(replace(new, next_run_at=None, planned_next_run_at=None))

    assert (plan.not_run, plan.next_run_at) == ((), NOON + MINUTE)
