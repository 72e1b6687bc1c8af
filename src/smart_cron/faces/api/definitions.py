"""Definitions of tasks as the API takes them: columns by name, as they are shown, and nothing that is not one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from ninja.errors import HttpError

from smart_cron.core.errors import InvalidTaskError
from smart_cron.core.people import Role
from smart_cron.core.task import Limits, TaskDefinition
from smart_cron.faces.api.access import person_of
from smart_cron.faces.web.premises import premises_of
from smart_cron.wiring.soundness import faults_here

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
# Whoever sets these chooses what runs as whom, beyond the scripts that an editor may name.
ADMINS_ALONE = ("shell_command", "stdin_text", "run_as_user", "environment")
_PLAIN = {field.name for field in fields(TaskDefinition)}
_MAY_BE_EMPTY = {field.name for field in fields(TaskDefinition) if "None" in str(field.type)} | {
    field.name for field in fields(Limits) if "None" in str(field.type)
}


def changed(definition: TaskDefinition, terms: Mapping[str, Any]) -> TaskDefinition:
    """Return the definition with these columns; a script takes a command's place and the other way round.

    Raise InvalidTaskError for null where something must stand.
    """
    own: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for column, value in terms.items():
        name = LIMITS.get(column) or NAMES.get(column) or column.removesuffix("_seconds")
        if value is None and name not in _MAY_BE_EMPTY:
            raise InvalidTaskError([f"{column} must not be null"])
        (limits if column in LIMITS else own)[name] = _typed(name, value)
    assert own.keys() <= _PLAIN
    if own.get("script"):
        own.setdefault("shell_command", None)
    if own.get("shell_command"):
        own.setdefault("script", None)
    return replace(definition, **own, limits=replace(definition.limits, **limits))


def _typed(name: str, value: Any) -> Any:
    if name in SPANS and value is not None:
        return _span(name, value)
    return tuple(value) if isinstance(value, list) else value


def _span(name: str, seconds: float) -> timedelta:
    try:
        return timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        raise InvalidTaskError([f"{name}_seconds is out of range"]) from None


def require_allowed(request: HttpRequest, terms: Mapping[str, Any], before: TaskDefinition | None) -> None:
    """Raise HttpError 403 for a column that is an admin's alone, and for a group that is none of the caller's."""
    person = person_of(request)
    theirs = [column for column in ADMINS_ALONE if terms.get(column)]
    if theirs and not person.may(Role.ADMIN):
        raise HttpError(403, f"{', '.join(theirs)}: an admin's alone.")
    if before is not None and before.shell_command is not None and not person.may(Role.ADMIN):
        raise HttpError(403, "A task that is a shell command is changed by an admin alone.")
    group = terms.get("task_group", before.group if before else None)
    if not person.is_near(group):
        raise HttpError(403, f"The group '{group}' is none of yours." if group else "Name one of your groups.")


def require_sound(request: HttpRequest, definition: TaskDefinition) -> None:
    """Raise InvalidTaskError with every fault of the definition."""
    premises = premises_of(request)
    if faults := list(faults_here(definition, premises.config, now=premises.clock.now())):
        raise InvalidTaskError([fault.says for fault in faults], remedy="Nothing was saved.")
