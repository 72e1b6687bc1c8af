"""What must be true of a definition before the API saves it: that the caller may, and that it can run."""

from __future__ import annotations

from django.http import HttpRequest
from ninja.errors import HttpError

from smart_cron.core.errors import InvalidTaskError
from smart_cron.core.people import Role
from smart_cron.core.task import TaskDefinition
from smart_cron.faces.api.access import person_of, require_fresh
from smart_cron.faces.web.premises import premises_of
from smart_cron.wiring.soundness import faults_here

# Whoever sets these chooses what runs as whom, beyond the scripts that an editor may name.
ADMINS_ALONE = ("shell_command", "stdin_text", "run_as", "environment")
# What runs: a browser left alone must not change it.
CODE = ("script", "arguments", *ADMINS_ALONE)
_NEW = TaskDefinition(name="", schedule="")


def require_allowed(request: HttpRequest, after: TaskDefinition, before: TaskDefinition | None) -> None:
    """Raise HttpError 403 where the change is none that the caller may make, whatever way it came about."""
    person, old = person_of(request), before or _NEW
    theirs = [field for field in ADMINS_ALONE if getattr(after, field) != getattr(old, field)]
    if theirs and not person.may(Role.ADMIN):
        raise HttpError(403, f"{', '.join(theirs)}: an admin's alone.")
    if old.shell_command is not None and not person.may(Role.ADMIN):
        raise HttpError(403, "A task that is a shell command is changed by an admin alone.")
    if not person.is_near(after.group):
        raise HttpError(
            403, f"The group '{after.group}' is none of yours." if after.group else "Name a group of yours."
        )
    changes_code = any(getattr(after, field) != getattr(old, field) for field in CODE)
    if changes_code:
        require_fresh(request)


def require_sound(request: HttpRequest, definition: TaskDefinition) -> None:
    """Raise InvalidTaskError with every fault of the definition."""
    premises = premises_of(request)
    if faults := list(faults_here(definition, premises.config, now=premises.clock.now())):
        raise InvalidTaskError([fault.says for fault in faults], remedy="Nothing was saved.")
