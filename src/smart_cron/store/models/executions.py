"""`smart_cron_executions`, the history of runs, and `smart_cron_skipped_slots`, the ranges of slots that did not run.

At ten million rows only what is still under way may cost anything. So the three generated columns are NULL for all
other rows: their indexes are partial where the database can, and elsewhere the NULLs only ever grow at one end.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from smart_cron.store.fields import (
    BigInt,
    Double,
    Flag,
    Float,
    Instant,
    Int,
    PartialIndex,
    Text,
    TinyInt,
    Varchar,
    generated,
)
from smart_cron.store.queues import ACTIVE_TASK_ID, FAILURE_STATUS, QUEUE_RANK


class Execution(models.Model):
    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    # No foreign key: a task deleted by SQL keeps its history.
    task_id = Int()
    task_name = Varchar(max_length=100)
    started_at = Instant(null=True)
    completed_at = Instant(null=True)
    execution_time = Float(null=True)
    exit_code = Int(null=True)
    success = Flag(db_default=0)
    stdout_output = Text(null=True)
    stderr_output = Text(null=True)
    error_message = Varchar(max_length=1000, null=True)
    error_type = Varchar(max_length=100, null=True)
    memory_peak_mb = Int(null=True)
    triggered_by = Varchar(max_length=50, db_default="cron")

    status = Varchar(max_length=20, db_default="waiting")
    scheduled_for = Instant(null=True)
    attempt = Int(db_default=1)
    priority = TinyInt(db_default=5)
    # The order within a priority: the slot or the time of the request; of a delayed retry the time when it is due.
    due_at = Instant(null=True)
    start_before = Instant(null=True)
    task_group = Varchar(max_length=100, null=True)
    node_tag = Varchar(max_length=100, null=True)
    # An old slot, made up for: such runs have a lane of their own, so that a storm of them starves nobody.
    catch_up = Flag(db_default=0)
    node = Varchar(max_length=100, null=True)
    incarnation = Varchar(max_length=100, null=True)
    run_id = Varchar(max_length=36, null=True, unique=True)
    claimed_at = Instant(null=True)
    launch_deadline = Double(null=True)
    # Timeout and grace as they were at the claim: an edit of the task changes nothing for what runs.
    allowed_seconds = Int(null=True)
    term_signal = Int(null=True)
    cpu_seconds = Double(null=True)
    output_bytes = BigInt(null=True)
    output_sha256 = Varchar(max_length=64, null=True)
    output_truncated = Flag(db_default=0)
    output_path = Varchar(max_length=500, null=True)
    leftovers = Text(null=True)
    run_arguments = Text(null=True)
    cancel_reason = Varchar(max_length=20, null=True)
    cancel_requested_at = Instant(null=True)
    requested_by = Varchar(max_length=100, null=True)
    reason = Varchar(max_length=255, null=True)
    # The node that settled a run of another one, which was silent for too long; its own late word replaces that.
    settled_by = Varchar(max_length=100, null=True)
    late = Flag(db_default=0)
    created_at = Instant(db_default=Now())

    queue_rank = generated(QUEUE_RANK)
    active_task_id = generated(ACTIVE_TASK_ID, Int())
    failure_status = generated(FAILURE_STATUS, Varchar(max_length=20))

    class Meta:
        db_table = "smart_cron_executions"
        constraints = [
            # A manual run has no slot and NULLs are never equal, so it may be asked for at any time.
            models.UniqueConstraint(fields=["task_id", "scheduled_for", "attempt"], name="smart_cron_executions_slot")
        ]
        indexes = [
            PartialIndex(
                fields=["queue_rank", "due_at", "id"],
                name="smart_cron_executions_queue",
                condition=models.Q(queue_rank__isnull=False),
            ),
            PartialIndex(
                fields=["active_task_id", "id"],
                name="smart_cron_executions_active",
                condition=models.Q(active_task_id__isnull=False),
            ),
            PartialIndex(
                fields=["failure_status", "id"],
                name="smart_cron_executions_failed",
                condition=models.Q(failure_status__isnull=False),
            ),
            # What failed within the last hours, for reports.
            PartialIndex(
                fields=["failure_status", "completed_at"],
                name="smart_cron_executions_fails",
                condition=models.Q(failure_status__isnull=False),
            ),
            models.Index(fields=["task_id", "id"], name="smart_cron_executions_task"),
            models.Index(fields=["started_at"], name="smart_cron_executions_start"),
        ]


class SkippedSlots(models.Model):
    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    task_id = Int()
    task_name = Varchar(max_length=100)
    first_slot = Instant(null=True)
    last_slot = Instant(null=True)
    slot_count = BigInt()
    outcome = Varchar(max_length=20)
    reason = Varchar(max_length=255)
    schedule_pattern = Varchar(max_length=255)
    time_zone = Varchar(max_length=64)
    recorded_at = Instant(db_default=Now())

    class Meta:
        db_table = "smart_cron_skipped_slots"
        indexes = [
            models.Index(fields=["task_id", "last_slot"], name="smart_cron_skipped_slots_task"),
            PartialIndex(
                fields=["outcome", "task_id"],
                name="smart_cron_skipped_slots_held",
                condition=models.Q(outcome="held"),
            ),
        ]
