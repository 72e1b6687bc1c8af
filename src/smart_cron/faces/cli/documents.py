"""What `--json` prints: one document, with the specification's column names, instants in UTC with a Z."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import click

from smart_cron.core.masking import masked_environment, masked_webhook
from smart_cron.core.task import Task, TaskDefinition


def print_json(document: object) -> None:
    """Print one document. ASCII only: no byte of a row can act upon a terminal."""
    click.echo(json.dumps(document, indent=2, default=_plain))


def print_json_line(document: object) -> None:
    """Print a document on one line, for commands that go on."""
    click.echo(json.dumps(document, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def instant(value: datetime) -> str:
    """Return an instant as ISO 8601 in UTC with microseconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def task_document(task: Task) -> dict[str, Any]:
    """Return a task under the names of its columns."""
    return {
        "id": task.id,
        **definition_document(task.definition),
        "is_running": task.is_running,
        "last_run_at": task.last_run_at,
        "next_run_at": task.next_run_at,
        "last_status": task.last_status,
        "consecutive_failures": task.consecutive_failures,
        "total_executions": task.total_executions,
        "total_successes": task.total_successes,
        "total_failures": task.total_failures,
        "avg_execution_time": task.avg_execution_time,
        "invalid_reason": task.invalid_reason,
    }


def definition_document(definition: TaskDefinition) -> dict[str, Any]:
    """Return a definition under the names of its columns, secrets masked (see `masked_environment`)."""
    limits = definition.limits
    return {
        "task_name": definition.name,
        "task_description": definition.description,
        "task_script": definition.script,
        "shell_command": definition.shell_command,
        "task_arguments": list(definition.arguments),
        "stdin_text": definition.stdin_text,
        "schedule_pattern": definition.schedule,
        "time_zone": definition.time_zone,
        "priority": definition.priority,
        "timeout_seconds": _seconds(definition.timeout),
        "kill_grace_seconds": _seconds(definition.kill_grace),
        "enabled": definition.enabled,
        "on_missed": definition.on_missed,
        "on_overlap": definition.on_overlap,
        "start_deadline_seconds": _seconds(definition.start_deadline),
        "max_retries": definition.max_retries,
        "retry_delay_seconds": _seconds(definition.retry_delay),
        "retry_lost": definition.retry_lost,
        "failure_threshold": definition.failure_threshold,
        "success_exit_codes": list(definition.success_exit_codes),
        "task_group": definition.group,
        "node_tag": definition.node_tag,
        "run_as_user": definition.run_as,
        "working_directory": definition.working_directory,
        "umask": definition.umask,
        "environment": masked_environment(definition.environment),
        "max_memory_mb": limits.memory_mb,
        "max_cpu_seconds": limits.cpu_seconds,
        "max_open_files": limits.open_files,
        "max_processes": limits.processes,
        "max_output_bytes": limits.output_bytes,
        "nice": limits.nice,
        "sandbox": definition.sandbox,
        "sandbox_network": definition.sandbox_network,
        "keep_processes": definition.keep_processes,
        "merge_output": definition.merge_output,
        "alert_on_failure": definition.alert_on_failure,
        "alert_email": definition.alert_email,
        "alert_slack_webhook": masked_webhook(definition.alert_slack_webhook),
        "ping_url": masked_webhook(definition.ping_url),
        "anomaly_tolerance": definition.anomaly_tolerance,
        "origin": definition.origin,
    }


def _seconds(length: timedelta | None) -> int | float | None:
    if length is None:
        return None
    seconds = length.total_seconds()
    return int(seconds) if seconds == int(seconds) else seconds
