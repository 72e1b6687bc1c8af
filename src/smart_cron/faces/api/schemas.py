"""What the API answers and takes, under the names of the tables' columns."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from ninja import Schema
from pydantic import ConfigDict, Field

from smart_cron.core.alert import Severity
from smart_cron.core.task import OnMissed, OnOverlap, Sandbox
from smart_cron.faces.api.paging import Closed, Instant

Argument = Annotated[str, Field(max_length=65_536)]


class TaskTerms(Closed):
    """What somebody decides about a task; what is left out has its default, or stays as it is."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"task_name": "backup", "task_script": "/srv/jobs/backup.sh", "schedule_pattern": "0 2 * * *"}]
        },
    )

    task_description: str | None = None
    task_script: str | None = Field(None, description="Absolute path of what to run.")
    shell_command: str | None = Field(None, description="In place of a script; an admin's alone.")
    task_arguments: list[Argument] | None = Field(None, max_length=1000)
    stdin_text: str | None = None
    schedule_pattern: str | None = Field(None, description="Five fields of cron, or @daily, @reboot …")
    time_zone: str | None = None
    priority: int | None = None
    timeout_seconds: float | None = None
    kill_grace_seconds: float | None = None
    enabled: bool | None = None
    on_missed: OnMissed | None = None
    on_overlap: OnOverlap | None = None
    start_deadline_seconds: float | None = None
    max_retries: int | None = None
    retry_delay_seconds: float | None = None
    retry_lost: bool | None = None
    failure_threshold: int | None = None
    success_exit_codes: list[int] | None = Field(None, max_length=256)
    task_group: str | None = None
    node_tag: str | None = None
    run_as_user: str | None = Field(None, description="An admin's alone.")
    working_directory: str | None = None
    umask: str | None = None
    environment: dict[str, str] | None = Field(None, description="An admin's alone; values of secrets are masked.")
    max_memory_mb: int | None = None
    max_cpu_seconds: int | None = None
    max_open_files: int | None = None
    max_processes: int | None = None
    max_output_bytes: int | None = None
    nice: int | None = None
    sandbox: Sandbox | None = None
    sandbox_network: bool | None = None
    keep_processes: bool | None = None
    merge_output: bool | None = None
    alert_on_failure: bool | None = None
    alert_email: str | None = None
    alert_slack_webhook: str | None = None
    ping_url: str | None = None
    anomaly_tolerance: float | None = None


class NewTask(TaskTerms):
    """A task to add."""

    task_name: str = Field(description="Letters, digits, `_` and `-`, 100 at most.")
    schedule_pattern: str = Field(description="Five fields of cron, or @daily, @reboot …")


class TaskOut(Schema):
    """A task as it is, and what the engine knows of it."""

    id: int
    task_name: str
    task_description: str
    task_script: str | None
    shell_command: str | None
    task_arguments: list[str]
    stdin_text: str | None
    schedule_pattern: str
    time_zone: str | None
    priority: int
    timeout_seconds: float
    kill_grace_seconds: float
    enabled: bool
    on_missed: str
    on_overlap: str
    start_deadline_seconds: float | None
    max_retries: int
    retry_delay_seconds: float
    retry_lost: bool
    failure_threshold: int
    success_exit_codes: list[int]
    task_group: str | None
    node_tag: str | None
    run_as_user: str | None
    working_directory: str | None
    umask: str | None
    environment: dict[str, str]
    max_memory_mb: int | None
    max_cpu_seconds: int | None
    max_open_files: int | None
    max_processes: int | None
    max_output_bytes: int
    nice: int
    sandbox: str
    sandbox_network: bool
    keep_processes: bool
    merge_output: bool
    alert_on_failure: bool
    alert_email: str | None
    alert_slack_webhook: str | None
    ping_url: str | None
    anomaly_tolerance: float
    origin: str | None
    is_running: bool
    last_run_at: datetime | None
    next_run_at: datetime | None
    last_status: str | None
    consecutive_failures: int
    total_executions: int
    total_successes: int
    total_failures: int
    avg_execution_time: float | None
    invalid_reason: str | None


class RunOut(Schema):
    """An execution, without its output."""

    id: int
    run_id: str | None
    task_id: int
    task_name: str
    task_group: str | None
    status: str
    success: bool
    scheduled_for: datetime | None
    attempt: int
    triggered_by: str
    requested_by: str | None
    node: str | None
    started_at: datetime | None
    completed_at: datetime | None
    execution_time: float | None
    exit_code: int | None
    term_signal: int | None
    error_type: str | None
    error_message: str | None
    reason: str | None
    memory_peak_mb: float | None
    cpu_seconds: float | None
    output_bytes: int | None
    output_truncated: bool
    cancel_reason: str | None
    late: bool
    leftovers: str | None
    run_arguments: str | None


class RunInFull(RunOut):
    """An execution with the copies of its output, at most 64 KB of each stream."""

    stdout_output: str | None
    stderr_output: str | None


class UsageOut(Schema):
    """What all processes of a run used, so many seconds after its start; `cpu_percent` is since the look before."""

    seconds: float
    memory_bytes: int
    processes: int
    cpu_seconds: float
    cpu_percent: float


class RunPage(Schema):
    items: list[RunOut]
    next: int | None


class RunRequest(Closed):
    """What to run now; `arguments` take the place of the task's own."""

    arguments: list[Argument] | None = Field(None, max_length=1000)


class Asked(Schema):
    """A run that was asked for. `is_new` is False where the same Idempotency-Key had asked for it before."""

    id: int
    task_name: str
    is_new: bool
    run: RunOut | None = None


class AlertOut(Schema):
    """An alert as it stands."""

    id: int
    alert_type: str
    subtype: str | None
    severity: Severity
    task_id: int | None
    task_name: str | None
    node: str | None
    execution_id: int | None
    message: str
    details: dict[str, Any]
    occurrences: int
    created_at: datetime
    last_occurred_at: datetime
    acknowledged: bool
    acknowledged_at: datetime | None
    snoozed_until: datetime | None
    resolved: bool
    resolved_at: datetime | None
    resolved_by: str | None
    note: str | None


class AlertPage(Schema):
    items: list[AlertOut]
    next: int | None


class Note(Closed):
    """What somebody says to it."""

    note: str | None = Field(None, max_length=1000)


class Snooze(Note):
    """Until when nothing is said of it; without an instant it speaks again."""

    until: Instant | None = None


class Said(Schema):
    """Whether anything changed, and a sentence on it."""

    changed: bool
    message: str


class Slot(Schema):
    """An instant that a schedule names."""

    slot: datetime
