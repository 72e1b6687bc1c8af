"""`smart_cron_tasks_config`: what a person decided, what planning last saw of it, and figures.

Who owns what: a person the definition and `next_run_at` (planning too); planning the `planned_*` columns,
`accounted_until` and `invalid_reason`; claims and records the rest. Every column that the specification's INSERT
leaves out has a default of the database's own, so that a row written by SQL alone is whole.
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
    LongText,
    PartialIndex,
    Text,
    TinyInt,
    Varchar,
    generated,
)

# 1 where the row differs from what was planned, so that noticing an edit made by SQL is an empty index probe.
# `planned_zone` begins with a star where it was the configured zone and not the task's own. Comparisons with NULL are
# never true here; what is NULL on one side only is asked for.
NEEDS_PLANNING = """CASE
    WHEN planned_enabled IS NULL OR planned_enabled <> enabled
      OR planned_pattern IS NULL OR planned_pattern <> schedule_pattern
      OR planned_zone IS NULL OR planned_zone <> time_zone
      OR (time_zone IS NULL AND substr(planned_zone, 1, 1) <> '*')
      OR planned_policy IS NULL OR planned_policy <> {policy}
      OR (enabled <> 0 AND (next_run_at <> planned_next_run_at
                            OR (next_run_at IS NULL) <> (planned_next_run_at IS NULL)))
    THEN 1 ELSE 0 END"""
PLANNABLE = "CASE WHEN enabled <> 0 AND invalid_reason IS NULL THEN 1 ELSE 0 END"


class TaskConfig(models.Model):
    id: models.AutoField[int, int] = models.AutoField(primary_key=True)
    task_name = Varchar(max_length=100, unique=True)
    task_description = Varchar(max_length=500, null=True)
    task_script = Varchar(max_length=255, db_default="")
    schedule_pattern = Varchar(max_length=255)
    priority = TinyInt(db_default=5)
    timeout_seconds = Int(db_default=3600)
    enabled = Flag(db_default=1)
    max_retries = TinyInt(db_default=0)
    retry_delay_seconds = Int(db_default=60)
    failure_threshold = Int(db_default=5)
    consecutive_failures = Int(db_default=0)
    alert_on_failure = Flag(db_default=1)
    alert_email = Varchar(max_length=255, null=True)
    is_running = Flag(db_default=0)
    last_run_at = Instant(null=True)
    next_run_at = Instant(null=True)
    total_executions = BigInt(db_default=0)
    total_successes = BigInt(db_default=0)
    total_failures = BigInt(db_default=0)
    avg_execution_time = Float(null=True)

    alert_slack_webhook = Varchar(max_length=500, null=True)
    shell_command = Text(null=True)
    task_arguments = Text(null=True)
    stdin_text = Text(null=True)
    time_zone = Varchar(max_length=64, null=True)
    on_missed = Varchar(max_length=10, db_default="latest")
    start_deadline_seconds = Int(null=True)
    on_overlap = Varchar(max_length=10, db_default="skip")
    retry_lost = Flag(db_default=0)
    kill_grace_seconds = Int(db_default=10)
    success_exit_codes = Varchar(max_length=255, db_default="0")
    task_group = Varchar(max_length=100, null=True)
    node_tag = Varchar(max_length=100, null=True)
    run_as_user = Varchar(max_length=64, null=True)
    working_directory = Varchar(max_length=255, null=True)
    umask = Varchar(max_length=4, null=True)
    environment = Text(null=True)
    max_memory_mb = Int(null=True)
    max_cpu_seconds = Int(null=True)
    max_open_files = Int(null=True)
    max_processes = Int(null=True)
    max_output_bytes = BigInt(db_default=10_000_000)
    nice = TinyInt(db_default=0)
    sandbox = Varchar(max_length=10, db_default="standard")
    sandbox_network = Flag(db_default=1)
    keep_processes = Flag(db_default=0)
    merge_output = Flag(db_default=0)
    ping_url = Varchar(max_length=500, null=True)
    anomaly_tolerance = Double(db_default=8.0)
    origin = Varchar(max_length=255, null=True)

    last_status = Varchar(max_length=20, null=True)
    running_execution_id = BigInt(null=True)
    # The average is theirs; a FLOAT of its own would stop moving after some thousand runs.
    timed_executions = BigInt(db_default=0)
    timed_seconds = Double(db_default=0.0)

    invalid_reason = Varchar(max_length=500, null=True)
    planned_pattern = Varchar(max_length=255, null=True)
    planned_zone = Varchar(max_length=65, null=True)
    planned_enabled = Flag(null=True)
    planned_policy = Varchar(max_length=80, null=True)
    planned_next_run_at = Instant(null=True)
    accounted_until = Instant(null=True)
    created_at = Instant(db_default=Now())
    updated_at = Instant(db_default=Now())

    needs_planning = generated(NEEDS_PLANNING)
    plannable = generated(PLANNABLE)

    class Meta:
        db_table = "smart_cron_tasks_config"
        indexes = [
            PartialIndex(
                fields=["plannable", "next_run_at", "id"], name="smart_cron_tasks_due", condition=models.Q(plannable=1)
            ),
            PartialIndex(
                fields=["needs_planning", "id"], name="smart_cron_tasks_changed", condition=models.Q(needs_planning=1)
            ),
            PartialIndex(fields=["is_running"], name="smart_cron_tasks_running", condition=~models.Q(is_running=0)),
            models.Index(fields=["origin"], name="smart_cron_tasks_origin"),
        ]


class TaskRevision(models.Model):
    """A definition as it was saved: JSON of the columns that a person decides, numbered from 1 for each task.

    What SQL changed is saved once planning notices it. Revisions outlive their task.
    """

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    task_id = Int()
    task_name = Varchar(max_length=100)
    revision = Int()
    definition = LongText()
    saved_at = Instant(db_default=Now())
    actor = Varchar(max_length=100)
    source = Varchar(max_length=50, null=True)

    class Meta:
        db_table = "smart_cron_task_revisions"
        constraints = [models.UniqueConstraint(fields=["task_id", "revision"], name="smart_cron_task_revisions_number")]
