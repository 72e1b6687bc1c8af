"""What must be true of a task before it is saved, for commands: every problem at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smart_cron.core.errors import InvalidTaskError
from smart_cron.core.task import TaskDefinition

if TYPE_CHECKING:
    from smart_cron.wiring import House


def require_sound(house: House, definition: TaskDefinition) -> None:
    """Raise InvalidTaskError with all problems of a definition."""
    problems = list(problems_of(house, definition))
    if problems:
        raise InvalidTaskError(problems, remedy="Nothing was saved.")


def problems_of(house: House, definition: TaskDefinition) -> Iterator[str]:
    """Yield a sentence for each problem: of the values, of the script's file, of user and folder."""
    from smart_cron.wiring.soundness import faults_here

    if house.is_remote:
        return iter(())  # The server judges it, and says the same.
    return (fault.says for fault in faults_here(definition, house.config, now=house.clock.now()))
