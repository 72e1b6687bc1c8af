"""What must be true of a definition before the API saves it: that the caller may, and that it can run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from ninja.errors import HttpError

from smart_cron.core.errors import InvalidTaskError
from smart_cron.core.people import Role
from smart_cron.core.task import TaskDefinition
from smart_cron.faces.api.access import person_of
from smart_cron.faces.web.premises import premises_of
from smart_cron.wiring.soundness import faults_here

# Whoever sets these chooses what runs as whom, beyond the scripts that an editor may name.
ADMINS_ALONE = ("shell_command", "stdin_text", "run_as_user", "environment")


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
