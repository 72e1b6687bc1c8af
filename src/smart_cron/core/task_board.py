"""Tasks as a page lists them: which are wanted, in which order, and a line for each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from smart_cron.core.run import Status


class TaskState(StrEnum):
    """What the list can be narrowed to; a task may be in several."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    RUNNING = "running"
    FAILING = "failing"
    INVALID = "invalid"
    HELD = "held"


class TaskSort(StrEnum):
    """By what the list can be sorted."""

    NAME = "name"
    NEXT = "next"
    LAST = "last"
    FAILURES = "failures"
    RATE = "rate"
    TIME = "time"
    PRIORITY = "priority"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks. `near` are the groups that whoever asks is let near, None all; tasks without one are in `""`.

    `text` is looked for in names and descriptions, whatever the case.
    """

    near: frozenset[str] | None = None
    text: str = ""
    group: str | None = None
    tag: str | None = None
    state: TaskState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLine:
    """A task in a list."""

    id: int
    name: str
    description: str
    schedule: str
    time_zone: str | None
    group: str | None
    node_tag: str | None
    priority: int
    enabled: bool
    is_running: bool
    is_held: bool
    last_status: str | None
    last_run_at: datetime | None
    next_run_at: datetime | None
    consecutive_failures: int
    total_executions: int
    total_successes: int
    avg_execution_time: float | None
    invalid_reason: str | None

    @property
    def state(self) -> str:
        """The one word for how it stands."""
        if self.is_running:
            return "running"
        if self.invalid_reason:
            return "invalid"
        return "enabled" if self.enabled else "disabled"

    @property
    def success_rate(self) -> float | None:
        """The share of executions that went well, 0 to 1; None where there were none."""
        return self.total_successes / self.total_executions if self.total_executions else None

    @property
    def is_failing(self) -> bool:
        """Whether the last slots failed."""
        return self.consecutive_failures > 0

    @property
    def has_failed(self) -> bool:
        """Whether the last outcome was none to be glad of."""
        return self.last_status is not None and self.last_status not in (Status.SUCCESS, Status.SKIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCounts:
    """How many tasks there are, all and in each state."""

    all: int
    by_state: dict[TaskState, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """A task's runs that ended in one hour; the hours of a past that was made into days are days."""

    at: datetime
    runs: int
    failures: int
    duration_sum: float
    timed_runs: int

    @property
    def average(self) -> float | None:
        """Seconds that a run took on average."""
        return self.duration_sum / self.timed_runs if self.timed_runs else None
