"""What must be true of a task before it is saved: every fault at once, those of machine and settings included."""

from __future__ import annotations

import os
import pwd
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from smart_cron.core.revision_words import ADDRESSES
from smart_cron.core.validation import Fault, faults_of
from smart_cron.home import account_name, service_uid
from smart_cron.wiring import check_task_script

if TYPE_CHECKING:
    from smart_cron.config import Config
    from smart_cron.core.task import TaskDefinition


def faults_here(definition: TaskDefinition, config: Config, *, now: datetime) -> Iterator[Fault]:
    """Yield each fault: of the values, of the script's file (SECURITY 27) and addresses (28), of user and folder."""
    faults = faults_of(definition, now=now)
    yield from faults
    yield from _address_faults(definition, config, besides={fault.field for fault in faults})
    if _is_path(definition.script) and (problem := check_task_script(definition, config)):
        yield Fault("script", problem)
    if definition.run_as is not None:
        yield from (Fault("run_as", says) for says in _user_problems(definition.run_as, service_uid(config)))
    folder = definition.working_directory
    if folder and folder.startswith("/") and "\0" not in folder and not os.path.isdir(folder):
        yield Fault("working_directory", f"the working directory '{folder}' is no directory on this machine")


def _address_faults(definition: TaskDefinition, config: Config, *, besides: Collection[str]) -> Iterator[Fault]:
    """Yield what the settings have against addresses, as far as no name need be asked for: that is done at sending."""
    for field in ADDRESSES:
        url = getattr(definition, field)
        if url is None or field in besides:
            continue
        from smart_cron.wiring.addresses import address_fault
        from smart_cron.wiring.channels import guard_of

        if fault := address_fault(guard_of(config), url):
            yield Fault(field, f"{field}: {fault}")


def _is_path(script: str | None) -> bool:
    """Whether there is a path to look at: what is none has been told already."""
    return script is not None and script.startswith("/") and script.isprintable()


def _user_problems(name: str, owner: int) -> Iterator[str]:
    try:
        account = pwd.getpwnam(name)
    except (KeyError, ValueError):
        yield f"this machine has no user '{name}'"
        return
    # Whoever asks: the master belongs to the owner of the home.
    if owner not in (0, account.pw_uid):
        yield f"only a master that is root can run tasks as '{name}', and this home's is {account_name(owner)}"
