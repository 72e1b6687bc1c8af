"""What becomes of slots that are to start while the task still has a run: the `on_overlap` policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from smart_cron.core.run import DueTask, PlannedStart, Status
from smart_cron.core.task import OnOverlap


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapDecision:
    """Either `starts`, or the reason for which these slots are skipped; `cancels` are runs that have to make room."""

    starts: tuple[PlannedStart, ...] = ()
    skip_reason: str | None = None
    cancels: tuple[int, ...] = ()


def settle_overlap(task: DueTask, slots: Sequence[datetime], *, is_catch_up: bool) -> OverlapDecision:
    """Decide how these slots (oldest first, not empty) start beside the task's runs, or that they are skipped.

    A catch-up of every missed slot (`on_missed` all) is queued one behind the other whatever the policy, since
    dropping its slots is what that task asked not to do; only `allow` starts them side by side.
    """
    if task.on_overlap is OnOverlap.ALLOW:
        return OverlapDecision(starts=_starts(task, slots, Status.WAITING, Status.WAITING))
    if not task.active_execution_ids:
        return OverlapDecision(starts=_starts(task, slots, Status.WAITING, Status.QUEUED))
    if not is_catch_up and (task.on_overlap is OnOverlap.SKIP or (task.on_overlap is OnOverlap.QUEUE and task.queued)):
        return OverlapDecision(skip_reason=_skip_reason(task))
    cancels = task.active_execution_ids if task.on_overlap is OnOverlap.REPLACE else ()
    return OverlapDecision(starts=_starts(task, slots, Status.QUEUED, Status.QUEUED), cancels=cancels)


def _starts(task: DueTask, slots: Sequence[datetime], first: Status, others: Status) -> tuple[PlannedStart, ...]:
    deadline = task.start_deadline_seconds
    patience = None if deadline is None else timedelta(seconds=deadline)
    return tuple(
        PlannedStart(
            scheduled_for=slot,
            status=others if place else first,
            start_before=None if patience is None else slot + patience,
        )
        for place, slot in enumerate(slots)
    )


def _skip_reason(task: DueTask) -> str:
    run = f"run {task.active_execution_ids[0]} had not ended"
    if task.on_overlap is OnOverlap.QUEUE:
        return f"{run} and another was queued behind it already (on_overlap is queue)"
    return f"{run} (on_overlap is skip)"
