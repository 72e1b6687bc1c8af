"""How things stand, as a page shows it at one glance: counters, what runs, what comes next, tasks in a line each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Of this moment. `waiting` are executions that have no place yet, `alerts` open ones by their severity."""

    enabled: int = 0
    disabled: int = 0
    invalid: int = 0
    failing: int = 0
    running: int = 0
    waiting: int = 0
    alerts: Mapping[str, int] = field(default_factory=dict)

    @property
    def open_alerts(self) -> int:
        """Of every severity."""
        return sum(self.alerts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRun:
    """An execution that a node holds. `usual_seconds` is the mean of the task's runs so far, None before the first."""

    id: int
    task: str
    group: str | None
    status: str
    node: str | None
    since: datetime | None
    attempt: int = 1
    usual_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpcomingSlot:
    """The next slot of a task."""

    task: str
    at: datetime
    schedule: str
    usual_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLine:
    """A task in one line of a table."""

    id: int
    name: str
    group: str | None
    enabled: bool
    is_running: bool
    schedule: str
    last_status: str | None
    last_run_at: datetime | None
    next_run_at: datetime | None
    consecutive_failures: int = 0
    usual_seconds: float | None = None
    invalid_reason: str | None = None

    @property
    def is_failing(self) -> bool:
        """Whether it is switched on and failed the last time, or more often in a row."""
        return self.enabled and self.consecutive_failures > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHour:
    """How a task's runs of one hour went."""

    bucket_at: datetime
    runs: int
    failures: int
    seconds: float
