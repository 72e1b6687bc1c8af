"""A task's form as somebody filled it in: what was typed, the definition that it makes, and every fault at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from smart_cron.config import Config
from smart_cron.core.people import Person
from smart_cron.core.task import TaskDefinition
from smart_cron.core.task_rights import Bar, bars
from smart_cron.core.validation import Fault
from smart_cron.faces.web.task_fields import LIMIT, Field, every_field, fields_for
from smart_cron.wiring.soundness import faults_here

Typed = Mapping[str, str]
_WORDS = {
    Bar.FIELD: _("only admins may set it"),
    Bar.SHELL: _("A task that is a shell command is changed by an admin alone."),
    Bar.GROUP: _("You are not let near this group: choose one of yours."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What was typed, by the keys of the fields; the definition is whole only where there are no faults."""

    typed: Typed
    definition: TaskDefinition
    faults: Sequence[Fault] = ()

    def faults_of(self, field: Field) -> list[str]:
        """Return what is wrong with a field."""
        return [fault.says for fault in self.faults if fault.field == field.name]

    @property
    def homeless(self) -> list[str]:
        """What is wrong with no field of the form."""
        names = {field.name for field in every_field()}
        return [fault.says for fault in self.faults if fault.field not in names]


def entry_of(definition: TaskDefinition) -> Entry:
    """Return the form of a definition as it is."""
    typed = {field.key: field.kind.show(field.value_of(definition)) for field in every_field()}
    return Entry(typed=typed, definition=definition)


def read_entry(asked: QueryDict, before: TaskDefinition, person: Person, config: Config) -> Entry:
    """Return what somebody made of the definition *before*; fields that they may not set are as they were."""
    fields = list(fields_for(person))
    typed = {**entry_of(before).typed, **{field.key: asked.get(field.key, "") for field in fields}}
    values, unread = _read(fields, typed, before)
    definition = _changed(before, values)
    faults = [*unread, *_others(definition, before, person, config, said={fault.field for fault in unread})]
    return Entry(typed=typed, definition=definition, faults=faults)


def _read(fields: Sequence[Field], typed: Typed, before: TaskDefinition) -> tuple[dict[str, Any], list[Fault]]:
    values, faults = {}, []
    for field in fields:
        try:
            values[field.name] = field.kind.read(typed[field.key], field.value_of(before))
        except ValueError as fault:
            faults.append(Fault(field.name, str(fault)))
    return values, faults


def _changed(before: TaskDefinition, values: Mapping[str, Any]) -> TaskDefinition:
    limits = {name.removeprefix(LIMIT): value for name, value in values.items() if name.startswith(LIMIT)}
    own = {name: value for name, value in values.items() if not name.startswith(LIMIT)}
    return replace(before, **own, limits=replace(before.limits, **limits))


def _others(
    made: TaskDefinition, before: TaskDefinition, person: Person, config: Config, *, said: Collection[str]
) -> Iterator[Fault]:
    """Yield the faults that the console would tell, and what this person may not; a field that has one has enough."""
    yield from (fault for fault in faults_here(made, config, now=datetime.now(UTC)) if fault.field not in said)
    yield from (Fault(field, str(_WORDS[bar])) for bar, field in bars(person, made, before))


def faults_by(made: TaskDefinition, before: TaskDefinition, person: Person, config: Config) -> list[str]:
    """Return what is wrong with a definition that was not typed, such as one of the past."""
    labels = {field.name: str(field.label) for field in every_field() if field.by_admin}
    faults = _others(made, before, person, config, said=())
    return [f"{labels[fault.field]}: {fault.says}" if fault.field in labels else fault.says for fault in faults]


def changed_fields(before: TaskDefinition, after: TaskDefinition) -> list[Field]:
    """Return the fields that differ."""
    return [field for field in every_field() if field.value_of(before) != field.value_of(after)]
