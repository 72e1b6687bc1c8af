"""`import crontab`: saving what was read, and taking the lines from cron, all of it or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from smart_cron.core.errors import InvalidInputError, SmartCronError
from smart_cron.core.task import Task
from smart_cron.faces.cli.crontab_sources import Source

if TYPE_CHECKING:
    from smart_cron.services.crontab import CrontabLine, CrontabReading, ImportedTask
    from smart_cron.wiring import House


@dataclass(slots=True)
class Import:
    """One crontab on its way: what was read, the tasks of its lines, and what is wrong with which line."""

    source: Source
    reading: CrontabReading
    tasks: list[ImportedTask]
    faults: dict[int, str]
    known: dict[str, Task]
    copy: Path | None = None
    enabled: list[str] = field(default_factory=list)

    @property
    def sound(self) -> list[ImportedTask]:
        """The tasks without a fault."""
        return [task for task in self.tasks if task.line.number not in self.faults]

    @property
    def lines(self) -> list[CrontabLine]:
        """The lines of the tasks without a fault."""
        return [task.line for task in self.sound]


def require_can_take_over(imports: Sequence[Import]) -> None:
    """Raise an error that names every crontab which cannot be taken over."""
    faults = []
    for each in imports:
        try:
            if each.sound:
                each.source.require_can_take_over(each.lines)
        except SmartCronError as fault:
            faults.append(str(fault).rstrip("."))
    if faults:
        raise InvalidInputError(faults, remedy="Nothing was imported.")


def save(house: House, imports: Sequence[Import], *, actor: str, enable: bool, take_over: bool) -> None:
    """Add what is new; then take the lines from cron; only then let the tasks run, so that nothing runs twice.

    Where a crontab refuses, what was done until then is undone, and SmartCronError says so.
    """
    with house.store.database.transaction():
        added = {each.source.source: _add(house, each, actor) for each in imports}
    if take_over:
        _take_over_all(house, imports, added, actor)
    if enable:
        for each in imports:
            _enable(house, each, added[each.source.source] + _left_disabled(each), actor)


def _add(house: House, each: Import, actor: str) -> list[int]:
    return [house.store.tasks.add(task.definition, actor=actor).id for task in each.sound if task.is_new]


def _left_disabled(each: Import) -> list[int]:
    """Return the numbers of tasks that an earlier import left disabled."""
    stored = [each.known[task.definition.origin or ""] for task in each.sound if not task.is_new]
    return [task.id for task in stored if not task.definition.enabled]


def _enable(house: House, each: Import, ids: Sequence[int], actor: str) -> None:
    with house.store.database.transaction():
        for task_id in ids:
            house.store.tasks.set_enabled(task_id, True, actor=actor)
            each.enabled.append(str(task_id))


def _take_over_all(house: House, imports: Sequence[Import], added: dict[str, list[int]], actor: str) -> None:
    taken: list[Import] = []
    for each in imports:
        if not each.sound:
            continue
        try:
            each.copy = each.source.take_over(each.lines)
        except SmartCronError as fault:
            kept = _give_back(taken)
            _remove(house, [number for name, ids in added.items() if name not in kept for number in ids], actor)
            raise SmartCronError(fault.message, remedy=_what_is_left(kept)) from None
        taken.append(each)


def _give_back(taken: Sequence[Import]) -> list[str]:
    """Let cron run these lines again; return the crontabs that do not take them back."""
    kept = []
    for each in taken:
        try:
            each.source.give_back(each.lines)
        except SmartCronError:
            kept.append(each.source.source)
    return kept


def _remove(house: House, ids: Sequence[int], actor: str) -> None:
    """Take back tasks that were disabled all their life: nothing of them has run."""
    with house.store.database.transaction():
        for number in ids:
            house.store.tasks.remove(number, actor=actor, now=house.clock.now())


def _what_is_left(kept: Sequence[str]) -> str:
    if not kept:
        return "Nothing was imported, and every crontab reads as it did."
    return (
        f"The lines of {', '.join(kept)} could not be put back and stay commented out, with their tasks disabled; "
        "nothing else was imported."
    )
