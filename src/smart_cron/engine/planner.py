"""Slots that came due become executions or ranges that did not run; edited tasks get their new next slot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime

from smart_cron.core.planning import plan
from smart_cron.core.ports import Clock, Log, PlanStore
from smart_cron.core.run import DueTask, PlannedStart, SlotPlan, Status
from smart_cron.engine.settings import EngineSettings

# Slots by task id that must not be planned, since they have an outcome.
Taken = defaultdict[int, set[datetime]]
# So many tasks a transaction: a storm of 10,000 must not hold its locks for seconds.
CHUNK = 500
# Tasks that missed their slots are planned a few at a time: each may have many, and what is due now comes first.
OVERDUE_CHUNK = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What one chunk of planning wrote: how many executions were new, and every plan, to be told after the commit.

    `more_is_due` says that slots of now are still to be planned, `more_is_overdue` the same of slots that were missed.
    """

    executions: int = 0
    more_is_due: bool = False
    more_is_overdue: bool = False
    plans: Sequence[SlotPlan] = ()


NOTHING = Planned()


class Planner:
    """Plans what is due; stateless but for its settings."""

    def __init__(self, *, plans: PlanStore, settings: EngineSettings, log: Log, clock: Clock) -> None:
        self._plans, self._settings, self._log, self._clock = plans, settings, log, clock
        self._started_at = clock.now()

    def adopt(self, settings: EngineSettings) -> None:
        """Plan by other settings from now on."""
        self._settings = settings

    def plan_chunk(self, *, now: datetime) -> Planned:
        """Plan within the caller's transaction what is due by *now*."""
        due, overdue = self._lock_due(now)
        seen = {task.task_id for task in (*due, *overdue)}
        changed = [task for task in self._plans.lock_changed(limit=CHUNK) if task.task_id not in seen]
        # What was locked may have been decided by others while we waited for the database: nobody could after this.
        now = max(now, self._clock.now())
        planned = self._save([*overdue, *due, *changed], now=now)
        is_behind = any(plan.next_run_at is not None and plan.next_run_at <= now for plan in planned.plans)
        return replace(
            planned,
            more_is_due=len(due) == CHUNK or len(changed) == CHUNK,
            more_is_overdue=len(overdue) == OVERDUE_CHUNK or is_behind,
        )

    def _lock_due(self, now: datetime) -> tuple[Sequence[DueTask], Sequence[DueTask]]:
        """Return tasks that are due now, and some that are overdue; a backlog of these hides none of the former."""
        late_before = now - self._settings.misfire_grace
        found = self._plans.lock_due(now=now, limit=CHUNK)
        late = [task for task in found if task.next_run_at is not None and task.next_run_at < late_before]
        if late and len(found) == CHUNK:
            return self._plans.lock_due(now=now, limit=CHUNK, since=late_before), late[:OVERDUE_CHUNK]
        return found[len(late) :], late[:OVERDUE_CHUNK]

    def plan_reboot(self, *, booted_at: datetime, now: datetime) -> int:
        """Make the one execution of this boot for every `@reboot` task that has none yet."""
        tasks = self._plans.lock_reboot(slot=booted_at)
        return self._plans.save_plans([self._at_boot(task, booted_at, now) for task in tasks], now=now) if tasks else 0

    def _at_boot(self, task: DueTask, booted_at: datetime, now: datetime) -> SlotPlan:
        start = PlannedStart(scheduled_for=booted_at, status=Status.WAITING, start_before=None)
        zone = task.time_zone or self._settings.default_zone
        return SlotPlan(task=task, zone=zone, starts=(start,), accounted_until=now)

    def _save(self, tasks: Sequence[DueTask], *, now: datetime) -> Planned:
        if not tasks:
            return NOTHING
        taken = self._taken(tasks, now)
        plans = [self._plan(task, now, taken[task.task_id]) for task in tasks]
        plans = self._without_slots_that_ran(plans, taken, now)
        started = self._plans.save_plans(plans, now=now)
        return Planned(executions=started, plans=plans)

    def _without_slots_that_ran(self, plans: list[SlotPlan], taken: Taken, now: datetime) -> list[SlotPlan]:
        """After the clock was set back slots come due again: one that ran must neither be skipped nor replace its run.

        Starting it again does nothing, so only plans that do something else are asked about.
        """
        doubted = [plan.task for plan in plans if plan.not_run or plan.cancel_execution_ids]
        spans = [(task.task_id, task.accounted_until, now) for task in doubted if task.accounted_until is not None]
        ran = self._plans.started_among(spans) if spans else set()
        for task_id, slot in ran:
            taken[task_id].add(slot)
        anew = {task_id for task_id, _ in ran}
        return [
            self._plan(plan.task, now, taken[plan.task.task_id]) if plan.task.task_id in anew else plan
            for plan in plans
        ]

    def tell(self, planned: Planned) -> None:
        """Log what did not run and what is invalid, once it is committed."""
        for slot_plan in planned.plans:
            self._tell(slot_plan)

    def _plan(self, task: DueTask, now: datetime, taken: AbstractSet[datetime]) -> SlotPlan:
        return plan(
            task,
            now=now,
            default_zone=self._settings.default_zone,
            misfire_grace=self._settings.misfire_grace,
            started_at=self._started_at,
            taken=taken,
        )

    def _taken(self, tasks: Sequence[DueTask], now: datetime) -> Taken:
        """Slots with an outcome already: while the clock goes on only one set by hand can have one."""
        by_hand = [
            (task.task_id, task.next_run_at)
            for task in tasks
            if task.next_run_at is not None and task.next_run_at <= now and task.next_run_at != task.planned_next_run_at
        ]
        taken: Taken = defaultdict(set)
        for task_id, slot in self._plans.has_outcome(by_hand) if by_hand else ():
            taken[task_id].add(slot)
        return taken

    def _tell(self, slot_plan: SlotPlan) -> None:
        task = slot_plan.task
        if slot_plan.invalid_reason is not None:
            self._log.error(
                "Task is invalid and left alone until it is mended", task=task.name, reason=slot_plan.invalid_reason
            )
        for gap in slot_plan.not_run:
            self._log.warning(
                "Slots did not run",
                task=task.name,
                count=gap.count,
                first=gap.first.isoformat(),
                last=gap.last.isoformat(),
                outcome=str(gap.outcome),
                reason=gap.reason,
            )
