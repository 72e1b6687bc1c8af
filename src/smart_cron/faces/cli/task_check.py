"""What must be true of a task before it is saved: every problem at once, those of this machine included."""

from __future__ import annotations

import os
import pwd
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
    from smart_cron.core.validation import check_definition
    from smart_cron.home import service_uid

    yield from check_definition(definition, now=house.clock.now())
    if _is_path(definition.script) and (problem := house.check_script(definition)):
        yield problem
    if definition.run_as is not None:
        yield from _user_problems(definition.run_as, service_uid(house.config))
    folder = definition.working_directory
    if folder and folder.startswith("/") and "\0" not in folder and not os.path.isdir(folder):
        yield f"the working directory '{folder}' is no directory on this machine"


def _is_path(script: str | None) -> bool:
    """Whether there is a path to look at: what is none has been told already."""
    return script is not None and script.startswith("/") and script.isprintable()


def _user_problems(name: str, owner: int) -> Iterator[str]:
    from smart_cron.home import account_name

    try:
        account = pwd.getpwnam(name)
    except (KeyError, ValueError):
        yield f"this machine has no user '{name}'"
        return
    # Whoever asks: the master belongs to the owner of the home.
    if owner not in (0, account.pw_uid):
        yield f"only a master that is root can run tasks as '{name}', and this home's is {account_name(owner)}"
