"""Slots of the time since a backup: what is not known to have run may have run, so none of them starts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from smart_cron.core.errors import SmartCronError
from smart_cron.core.planning import pass_over
from smart_cron.core.restored import RESTORED
from smart_cron.core.run import DueTask, PlannedStart, SlotPlan, Status
from smart_cron.home import booted_at

if TYPE_CHECKING:
    from smart_cron.wiring import House

CHUNK = 200
LOCKED_PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.05


def pass_slots_over(house: House, now: datetime) -> int:
    """Record every slot up to *now* without an outcome as missed, tasks under their locks; return how many."""
    house.store.session.again(house.store.restored.see_all_anew)
    seen: set[int] = set()
    missed, give_up_at = 0, time.monotonic() + LOCKED_PATIENCE_SECONDS
    while house.store.restored.unseen():
        plans = house.store.session.again(lambda: _pass_some_over(house, now))
        fresh = {plan.task.task_id for plan in plans} - seen
        missed += sum(gap.count for plan in plans for gap in plan.not_run)
        seen |= fresh
        if plans and not fresh:
            break  # Whatever changes them again and again: no slot of theirs is left.
        if not plans:
            _wait_for_locks(give_up_at)
    return missed


def _wait_for_locks(give_up_at: float) -> None:
    if time.monotonic() > give_up_at:
        raise SmartCronError(
            "rows of smart_cron_tasks_config are locked by another session.",
            remedy="Let it end, then call this again; what is done stays done.",
        )
    time.sleep(PAUSE_SECONDS)


def _pass_some_over(house: House, now: datetime) -> list[SlotPlan]:
    plans = house.store.plans
    tasks = plans.lock_changed(limit=CHUNK)
    taken = _with_outcome(house, tasks, now)
    found = [_passed_over(house, task, taken, now) for task in tasks]
    plans.save_plans([each[0] for each in found], now=now)
    plans.save_plans([plan for each in found for plan in each[1:]], now=now)
    return [each[0] for each in found]


def _passed_over(house: House, task: DueTask, taken: set[tuple[int, datetime]], now: datetime) -> tuple[SlotPlan, ...]:
    own = frozenset(slot for task_id, slot in taken if task_id == task.task_id)
    return pass_over(task, now=now, default_zone=house.config.time_zone, reason=RESTORED, taken=own)


def _with_outcome(house: House, tasks: Sequence[DueTask], now: datetime) -> set[tuple[int, datetime]]:
    """Return the (task id, slot) that ran since they were last looked at, or were set by hand and are told already."""
    spans = [(task.task_id, task.accounted_until, now) for task in tasks if task.accounted_until is not None]
    by_hand = [
        (task.task_id, task.next_run_at)
        for task in tasks
        if task.next_run_at is not None and task.next_run_at <= now and task.next_run_at != task.planned_next_run_at
    ]
    plans = house.store.plans
    return plans.started_among(spans) | (plans.has_outcome(by_hand) if by_hand else set())


def pass_boot_over(house: House, now: datetime) -> None:
    """What starts at boot may have done so already: its slot is made, to be missed with all else that waits."""
    booted = booted_at(house.config.state_dir, house.clock)
    start = PlannedStart(scheduled_for=booted, status=Status.WAITING, start_before=None)

    def plan(task: DueTask) -> SlotPlan:
        zone = task.time_zone or house.config.time_zone
        return SlotPlan(task=task, zone=zone, starts=(start,), accounted_until=now)

    with house.store.database.transaction():
        tasks = house.store.plans.lock_reboot(slot=booted)
        house.store.plans.save_plans([plan(task) for task in tasks], now=now)
