"""What planning decided, as rows, and the statements that write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from smart_cron.core.run import SlotPlan, Trigger
from smart_cron.store.bulk import InsertEach, Row, UpdateEach
from smart_cron.store.dialects import INSTANT, INT, TEXT
from smart_cron.store.queues import clamped

Instant = Callable[[datetime], str]

ADD_EXECUTIONS = InsertEach(
    table="smart_cron_executions",
    columns=(
        ("task_id", INT),
        ("task_name", TEXT),
        ("scheduled_for", INSTANT),
        ("attempt", INT),
        ("status", TEXT),
        ("priority", INT),
        ("due_at", INSTANT),
        ("start_before", INSTANT),
        ("task_group", TEXT),
        ("node_tag", TEXT),
        ("catch_up", INT),
        ("triggered_by", TEXT),
        ("created_at", INSTANT),
    ),
    key=("task_id", "scheduled_for", "attempt"),
)
ADD_RANGES = InsertEach(
    table="smart_cron_skipped_slots",
    columns=(
        ("task_id", INT),
        ("task_name", TEXT),
        ("first_slot", INSTANT),
        ("last_slot", INSTANT),
        ("slot_count", INT),
        ("outcome", TEXT),
        ("reason", TEXT),
        ("schedule_pattern", TEXT),
        ("time_zone", TEXT),
        ("recorded_at", INSTANT),
    ),
)


def marks(policy: str) -> UpdateEach:
    """Return the statement that notes what was seen.

    What is noted is copied from the locked row itself, so that it is what stands there to the byte. Of an invalid row
    nothing else changes; its zone may be unreadable, and is noted as it stands.
    """
    return UpdateEach(
        table="smart_cron_tasks_config",
        columns=(
            ("id", INT),
            ("zone", TEXT),
            ("next_run_at", INSTANT),
            ("accounted_until", INSTANT),
            ("invalid_reason", TEXT),
        ),
        sets=f"""planned_next_run_at = CASE WHEN {{invalid_reason}} IS NULL THEN {{next_run_at}} ELSE t.next_run_at END,
            next_run_at = CASE WHEN {{invalid_reason}} IS NULL THEN {{next_run_at}} ELSE t.next_run_at END,
            accounted_until = COALESCE({{accounted_until}}, t.accounted_until),
            invalid_reason = {{invalid_reason}}, planned_enabled = t.enabled, planned_pattern = t.schedule_pattern,
            planned_zone = COALESCE(t.time_zone, {{zone}}), planned_policy = {policy}""",
        where="t.id = {id}",
    )


def executions(plan: SlotPlan, instant: Instant, now: datetime) -> Iterator[Row]:
    """Yield a row for each start."""
    task = plan.task
    for start in plan.starts:
        slot = instant(start.scheduled_for)
        yield {
            "task_id": task.task_id,
            "task_name": task.name,
            "scheduled_for": slot,
            "attempt": 1,
            "status": str(start.status),
            "priority": clamped(task.priority),
            "due_at": slot,
            "start_before": instant(start.start_before) if start.start_before else None,
            "task_group": task.group,
            "node_tag": task.node_tag,
            "catch_up": int(start.is_catch_up),
            "triggered_by": str(Trigger.CRON),
            "created_at": instant(now),
        }


def ranges(plan: SlotPlan, instant: Instant, now: datetime) -> Iterator[Row]:
    """Yield a row for each range, under the definition that its slots belong to."""
    task = plan.task
    for gap in plan.not_run:
        yield {
            "task_id": task.task_id,
            "task_name": task.name,
            "first_slot": instant(gap.first),
            "last_slot": instant(gap.last),
            "slot_count": gap.count,
            "outcome": str(gap.outcome),
            "reason": gap.reason[:255],
            "schedule_pattern": task.planned_schedule or task.schedule,
            "time_zone": (task.planned_zone or plan.zone)[:64],
            "recorded_at": instant(now),
        }
