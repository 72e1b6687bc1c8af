"""Along which indexes the runs of a filter are found in their order, and what is left to be looked at in the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from smart_cron.core.run import ACTIVE_STATUSES, Status
from smart_cron.core.run_filter import RunFilter
from smart_cron.store.bulk import placeholders
from smart_cron.store.queues import DELAYED_RANK, FAILURES

# For so many tasks a page takes a walk for each.
FEW_TASKS = 40
Condition = tuple[str, list[object]]
Instant = Callable[[datetime], object]
NOTHING: Condition = ("", [])
_BY_NUMBER = "id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A walk along an index (none: the primary key) in the order of `key`, and of `id` within it.

    `rest` is what its rows must meet beyond the index; a short way has few rows, however many runs there are.
    """

    condition: Condition
    index: str = ""
    key: str = _BY_NUMBER
    rest: Condition = NOTHING
    is_short: bool = False


def ways_of(wanted: RunFilter, tasks: Sequence[int] | None, instant: Instant) -> list[Way]:
    """Return the walks whose rows together are the runs, all in one order. *tasks* are the reader's, where few."""
    if wanted.task_id is not None:
        return [replace(_of_task(wanted.task_id), rest=both(_of_statuses(wanted.statuses), _dated(wanted, instant)))]
    if wanted.statuses and all(status in ACTIVE_STATUSES for status in wanted.statuses):
        return [replace(_active(status), rest=_dated(wanted, instant)) for status in wanted.statuses]
    if wanted.is_dated:
        return _by_time(wanted, instant)
    if wanted.statuses:
        return _by_status(wanted.statuses)
    if tasks is not None:
        return [_of_task(task_id) for task_id in tasks]
    return [Way(condition=("1 = 1", []))]


def rest_of(wanted: RunFilter) -> list[Condition]:
    """Return what has to be looked at in each row, whichever way it was found."""
    asked: list[tuple[str, object]] = [
        ("triggered_by = %s", wanted.trigger and str(wanted.trigger)),
        ("node = %s", wanted.node),
        ("exit_code = %s", wanted.exit_code),
        ("execution_time >= %s", wanted.least_seconds),
        ("execution_time <= %s", wanted.most_seconds),
    ]
    found: list[Condition] = [(text, [value]) for text, value in asked if value is not None]
    return found if wanted.groups is None else [*found, within_groups(wanted.groups)]


def within_groups(groups: frozenset[str]) -> Condition:
    """Return the condition for rows with a `task_group` among these; `""` is that of tasks without one."""
    if not groups:
        return "1 = 0", []
    named = sorted(groups)
    text = f"task_group IN ({placeholders(named)})"
    return (f"({text} OR task_group IS NULL)" if "" in groups else text), list(named)


def all_of(conditions: Sequence[Condition]) -> Condition:
    """Return what holds where all of these do; empty where there is none."""
    there = [condition for condition in conditions if condition[0]]
    return " AND ".join(text for text, _ in there), [value for _, values in there for value in values]


def both(one: Condition, other: Condition) -> Condition:
    """Return what holds where both do."""
    return all_of([one, other])


def _of_task(task_id: int) -> Way:
    return Way(index="smart_cron_executions_task", condition=("task_id = %s", [task_id]))


def _active(status: Status) -> Way:
    if status is Status.DELAYED:
        return Way(index="smart_cron_executions_queue", condition=("queue_rank = %s", [DELAYED_RANK]), is_short=True)
    condition: Condition = ("active_task_id IS NOT NULL AND status = %s", [str(status)])
    return Way(index="smart_cron_executions_active", condition=condition, is_short=True)


def _by_status(statuses: Sequence[Status]) -> list[Way]:
    """Rare states have indexes of their own; the others are picked out of all runs."""
    ways, others = [], []
    for status in dict.fromkeys(statuses):
        if status in ACTIVE_STATUSES:
            ways.append(_active(status))
        elif status in FAILURES:
            condition: Condition = ("failure_status = %s", [str(status)])
            ways.append(Way(index="smart_cron_executions_failed", condition=condition))
        else:
            others.append(status)
    return [*ways, *([Way(condition=("1 = 1", []), rest=_of_statuses(others))] if others else [])]


def _by_time(wanted: RunFilter, instant: Instant) -> list[Way]:
    if _are_failures(wanted):
        return [
            Way(
                index="smart_cron_executions_fails",
                key="completed_at",
                condition=both(("failure_status = %s", [str(status)]), _dated(wanted, instant)),
            )
            for status in dict.fromkeys(wanted.statuses)
        ]
    condition = _dated(wanted, instant)
    rest = _of_statuses(wanted.statuses)
    return [Way(index="smart_cron_executions_start", key="started_at", condition=condition, rest=rest)]


def _are_failures(wanted: RunFilter) -> bool:
    return bool(wanted.statuses) and all(status in FAILURES for status in wanted.statuses)


def _dated(wanted: RunFilter, instant: Instant) -> Condition:
    column = "completed_at" if _are_failures(wanted) else "started_at"
    bounds: list[Condition] = []
    if wanted.since is not None:
        bounds.append((f"{column} >= %s", [instant(wanted.since)]))
    if wanted.until is not None:
        bounds.append((f"{column} < %s", [instant(wanted.until)]))
    return all_of(bounds)


def _of_statuses(statuses: Sequence[Status]) -> Condition:
    if not statuses:
        return NOTHING
    return f"status IN ({placeholders(statuses)})", [str(status) for status in statuses]
