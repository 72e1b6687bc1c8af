"""What somebody may make of a task's definition, whichever way they send it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from smart_cron.core.people import Person, Role
from smart_cron.core.task import TaskDefinition

# Whoever sets these chooses what runs as whom, beyond the scripts that an editor may name.
ADMINS_ALONE = ("shell_command", "stdin_text", "run_as", "environment")


class Bar(StrEnum):
    """Why a change is none of theirs."""

    FIELD = "field"
    SHELL = "shell"
    GROUP = "group"


def bars(person: Person, after: TaskDefinition, before: TaskDefinition | None) -> Iterator[tuple[Bar, str]]:
    """Yield what keeps somebody from the change, with the field that it is about; *before* is None for a new task."""
    old = before or TaskDefinition(name="", schedule="")
    if not person.may(Role.ADMIN):
        theirs = [field for field in ADMINS_ALONE if getattr(after, field) != getattr(old, field)]
        yield from ((Bar.FIELD, field) for field in theirs)
        # What is around it decides what such a command does: its folder, its input, when it runs.
        if old.shell_command is not None and not theirs and after != old:
            yield Bar.SHELL, ""
    # Where it comes from counts, too: it may have been put into another group since it was looked for.
    if not person.is_near(after.group) or (before is not None and not person.is_near(before.group)):
        yield Bar.GROUP, "group"
