"""What a task was at an instant of the past, told from what it is now and from the audit log, read backwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from smart_cron.core.due_slots import Rhythm
from smart_cron.core.errors import InvalidInputError
from smart_cron.core.task import TaskDefinition

Values = Mapping[str, object]
CREATED, DELETED = "create", "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row of the audit log about a task: columns before and after, only those that differ."""

    at: datetime
    actor: str
    action: str
    name: str
    old: Values
    new: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What planning last saw of a task, and how far it has come; `next_run_at` is what stands in the row now."""

    schedule: str | None
    zone: str | None
    enabled: bool | None
    accounted_until: datetime | None
    next_run_at: datetime | None
    planned_next_run_at: datetime | None
    created_at: datetime | None
    invalid_reason: str | None

    @property
    def set_by_hand(self) -> bool:
        """Whether the next slot was set by a person and no master has seen it yet."""
        return self.next_run_at is not None and self.next_run_at != self.planned_next_run_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """A definition as it was at an instant. `since` is the change that made it so, `ended_by` the next one to come.

    `values` are columns of the task; `existed` is False before it was added and after it was deleted.
    """

    values: Values
    existed: bool
    default_zone: str
    since: Change | None = None
    ended_by: Change | None = None

    @property
    def schedule(self) -> str:
        return str(self.values.get("schedule_pattern") or "")

    @property
    def zone(self) -> str:
        return str(self.values.get("time_zone") or self.default_zone)

    @property
    def enabled(self) -> bool:
        return bool(self.values.get("enabled", 1))

    @property
    def rhythm(self) -> Rhythm | None:
        """The slots of the definition, or None where it cannot be read."""
        try:
            return Rhythm.of(self.schedule, self.zone)
        except InvalidInputError:
            return None

    def number(self, column: str) -> int | None:
        """Return a whole number of the definition, or None."""
        value = self.values.get(column)
        return value if isinstance(value, int) else None


def definition_at(instant: datetime, *, now: Values | None, changes: Sequence[Change], default_zone: str) -> Then:
    """Return the definition in force at an instant.

    `now` is the row as it stands, None where the task is deleted; `changes` are the audit's, oldest first. A change
    made by SQL is among them once it was noticed: until then the definition is the nearest one known.
    """
    values: dict[str, object] = dict(now or {})
    existed = now is not None
    following: Change | None = None
    for change in reversed(changes):
        if change.at <= instant:
            return Then(values=values, existed=existed, default_zone=default_zone, since=change, ended_by=following)
        values.update(change.old)
        existed = change.action != CREATED
        following = change
    return Then(values=values, existed=existed, default_zone=default_zone, ended_by=following)


def last_change_of(column: str, changes: Sequence[Change], *, until: datetime) -> Change | None:
    """Return the latest change of a column at or before an instant."""
    return next((each for each in reversed(changes) if each.at <= until and column in each.new), None)


def next_change_of(column: str, changes: Sequence[Change], *, after: datetime) -> Change | None:
    """Return the first change of a column after an instant."""
    return next((each for each in changes if each.at > after and column in each.new), None)


def with_action(action: str, changes: Sequence[Change]) -> Change | None:
    """Return the change with which a task was added or deleted, if the log has it."""
    return next((each for each in reversed(changes) if each.action == action), None)


def columns_of(definition: TaskDefinition) -> dict[str, object]:
    """Return what of a `TaskDefinition` decides about its slots, by the names of its columns."""
    deadline = definition.start_deadline
    return {
        "schedule_pattern": definition.schedule,
        "time_zone": definition.time_zone,
        "enabled": int(definition.enabled),
        "on_missed": str(definition.on_missed),
        "on_overlap": str(definition.on_overlap),
        "start_deadline_seconds": None if deadline is None else int(deadline.total_seconds()),
        "max_retries": definition.max_retries,
        "retry_delay_seconds": int(definition.retry_delay.total_seconds()),
        "task_group": definition.group,
        "node_tag": definition.node_tag,
        "priority": definition.priority,
    }
