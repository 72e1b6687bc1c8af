"""A task's definition as columns, and back. A row may hold anything: what cannot be used is said, never raised."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from smart_cron.core import builtin
from smart_cron.core.task import Limits, OnMissed, OnOverlap, Sandbox, TaskDefinition

COLUMNS = (
    "task_name",
    "task_description",
    "task_script",
    "schedule_pattern",
    "priority",
    "timeout_seconds",
    "enabled",
    "max_retries",
    "retry_delay_seconds",
    "failure_threshold",
    "alert_on_failure",
    "alert_email",
    "alert_slack_webhook",
    "shell_command",
    "task_arguments",
    "stdin_text",
    "time_zone",
    "on_missed",
    "start_deadline_seconds",
    "on_overlap",
    "retry_lost",
    "kill_grace_seconds",
    "success_exit_codes",
    "task_group",
    "node_tag",
    "run_as_user",
    "working_directory",
    "umask",
    "environment",
    "max_memory_mb",
    "max_cpu_seconds",
    "max_open_files",
    "max_processes",
    "max_output_bytes",
    "nice",
    "sandbox",
    "sandbox_network",
    "keep_processes",
    "merge_output",
    "ping_url",
    "anomaly_tolerance",
    "origin",
)
_EMPTY: Mapping[str, str] = MappingProxyType({})
_NO_TIMEOUT = "timeout_seconds must be at least 1, got"


def column_values(definition: TaskDefinition) -> list[object]:
    """Return the definition as values of `COLUMNS`, in their order."""
    limits = definition.limits
    return [
        definition.name,
        definition.description or None,
        definition.script or "",
        definition.schedule,
        definition.priority,
        _seconds(definition.timeout),
        int(definition.enabled),
        definition.max_retries,
        _seconds(definition.retry_delay),
        definition.failure_threshold,
        int(definition.alert_on_failure),
        definition.alert_email,
        definition.alert_slack_webhook,
        definition.shell_command,
        json.dumps(definition.arguments) if definition.arguments else None,
        definition.stdin_text,
        definition.time_zone,
        str(definition.on_missed),
        None if definition.start_deadline is None else _seconds(definition.start_deadline),
        str(definition.on_overlap),
        int(definition.retry_lost),
        _seconds(definition.kill_grace),
        ",".join(map(str, definition.success_exit_codes)),
        definition.group,
        definition.node_tag,
        definition.run_as,
        definition.working_directory,
        definition.umask,
        json.dumps(dict(definition.environment)) if definition.environment else None,
        limits.memory_mb,
        limits.cpu_seconds,
        limits.open_files,
        limits.processes,
        limits.output_bytes,
        limits.nice,
        str(definition.sandbox),
        int(definition.sandbox_network),
        int(definition.keep_processes),
        int(definition.merge_output),
        definition.ping_url,
        definition.anomaly_tolerance,
        definition.origin,
    ]


def read_definition(row: Sequence[Any]) -> tuple[TaskDefinition, str | None]:
    """Return the definition in a row of `COLUMNS`, and what of it cannot be used.

    Where something cannot, the definition has a name and a schedule but nothing to start.
    """
    try:
        return _read(row), None
    except (ValueError, TypeError, OverflowError) as error:
        return TaskDefinition(name=str(row[0]), schedule=str(row[3]), enabled=bool(row[6])), str(error)[:500]


def _read(row: Sequence[Any]) -> TaskDefinition:
    (
        name, description, script, schedule, priority, timeout, enabled, max_retries, retry_delay, threshold,
        alert_on_failure, email, webhook, shell_command, arguments, stdin_text, zone, on_missed, start_deadline,
        on_overlap, retry_lost, kill_grace, exit_codes, group, node_tag, run_as, directory, umask, environment,
        memory, cpu, files, processes, output, nice, sandbox, sandbox_network, keep_processes, merge_output,
        ping_url, anomaly_tolerance, origin,
    ) = row  # fmt: skip
    if timeout < 1:
        raise ValueError(f"{_NO_TIMEOUT} {timeout}")
    if (fault := builtin.fault_of(name, origin)) is not None:
        raise ValueError(fault)
    if not script and not shell_command:
        raise ValueError("neither task_script nor shell_command says what to run")
    return TaskDefinition(
        name=name,
        script=None if shell_command else script,
        shell_command=shell_command or None,
        arguments=read_arguments(arguments) if arguments else (),
        stdin_text=stdin_text,
        schedule=schedule,
        time_zone=zone,
        description=description or "",
        priority=priority,
        timeout=timedelta(seconds=timeout),
        kill_grace=timedelta(seconds=max(kill_grace, 0)),
        enabled=bool(enabled),
        on_missed=OnMissed(on_missed),
        on_overlap=OnOverlap(on_overlap),
        start_deadline=None if start_deadline is None else timedelta(seconds=start_deadline),
        max_retries=max_retries,
        retry_delay=timedelta(seconds=max(retry_delay, 0)),
        retry_lost=bool(retry_lost),
        failure_threshold=threshold,
        success_exit_codes=read_exit_codes(exit_codes),
        group=group,
        node_tag=node_tag,
        run_as=run_as,
        working_directory=directory,
        umask=_umask(umask) if umask else None,
        environment=read_environment(environment) if environment else _EMPTY,
        limits=Limits(
            memory_mb=memory, cpu_seconds=cpu, open_files=files, processes=processes, output_bytes=output, nice=nice
        ),
        sandbox=Sandbox(sandbox),
        sandbox_network=bool(sandbox_network),
        keep_processes=bool(keep_processes),
        merge_output=bool(merge_output),
        alert_on_failure=bool(alert_on_failure),
        alert_email=email,
        alert_slack_webhook=webhook,
        ping_url=ping_url,
        anomaly_tolerance=float(anomaly_tolerance),
        origin=origin,
    )


def read_arguments(text: str) -> tuple[str, ...]:
    """Return a JSON list of texts. Raise ValueError where it is none."""
    found = _json(text, "task_arguments")
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError("task_arguments must be a JSON list of texts")
    return tuple(found)


def read_environment(text: str) -> Mapping[str, str]:
    """Return a JSON object of texts, read-only. Raise ValueError where it is none."""
    found = _json(text, "environment")
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise ValueError("environment must be a JSON object of texts")
    return MappingProxyType(found)


def read_exit_codes(text: str) -> tuple[int, ...]:
    """Return the numbers of a comma list. Raise ValueError where it is none."""
    if text == "0":
        return (0,)
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"success_exit_codes must be numbers with commas between, got {text[:50]!r}") from None


def timeout_fault(timeout_seconds: int) -> str | None:
    """Return what is wrong with a timeout, or None."""
    return None if timeout_seconds >= 1 else f"{_NO_TIMEOUT} {timeout_seconds}"


def _umask(text: str) -> str:
    try:
        int(text, 8)
    except ValueError:
        raise ValueError(f"umask must be octal, such as 022, got {text!r}") from None
    return text


def _json(text: str, column: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError(f"{column} is not JSON") from None


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
