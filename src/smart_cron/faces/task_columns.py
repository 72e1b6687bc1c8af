"""Definitions of tasks from documents with the names of their columns, as the API and `--json` have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

from smart_cron.core.errors import InvalidTaskError
from smart_cron.core.task import Limits, OnMissed, OnOverlap, Sandbox, TaskDefinition

# Columns that are called otherwise in a definition; the others by their own name.
NAMES = {
    "task_name": "name",
    "task_description": "description",
    "task_script": "script",
    "task_arguments": "arguments",
    "schedule_pattern": "schedule",
    "task_group": "group",
    "run_as_user": "run_as",
}
LIMITS = {
    "max_memory_mb": "memory_mb",
    "max_cpu_seconds": "cpu_seconds",
    "max_open_files": "open_files",
    "max_processes": "processes",
    "max_output_bytes": "output_bytes",
    "nice": "nice",
}
SPANS = {"timeout", "kill_grace", "start_deadline", "retry_delay"}
WORDS: Mapping[str, Any] = {"on_missed": OnMissed, "on_overlap": OnOverlap, "sandbox": Sandbox}
_FIELDS = {field.name: field for field in (*fields(TaskDefinition), *fields(Limits))}


def changed(definition: TaskDefinition, terms: Mapping[str, Any]) -> TaskDefinition:
    """Return the definition with these columns; a script takes a command's place and the other way round.

    Raise InvalidTaskError for null where something must stand, and for a span that no calendar has.
    """
    own: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for column, value in terms.items():
        name = field_of(column)
        if value is None and "None" not in str(_FIELDS[name].type):
            raise InvalidTaskError([f"{column} must not be null"])
        (limits if column in LIMITS else own)[name] = _typed(name, value)
    if own.get("script"):
        own.setdefault("shell_command", None)
    if own.get("shell_command"):
        own.setdefault("script", None)
    return replace(definition, **own, limits=replace(definition.limits, **limits))


def field_of(column: str) -> str:
    """Return the field of `TaskDefinition`, or of its limits, that a column is."""
    return LIMITS.get(column) or NAMES.get(column) or column.removesuffix("_seconds")


def is_column(name: str) -> bool:
    """Whether a definition has this column."""
    return field_of(name) in _FIELDS


def _typed(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in SPANS:
        return _span(name, value)
    if name in WORDS:
        return WORDS[name](value)
    return tuple(value) if isinstance(value, list) else value


def _span(name: str, seconds: float) -> timedelta:
    try:
        return timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        raise InvalidTaskError([f"{name}_seconds is out of range"]) from None
