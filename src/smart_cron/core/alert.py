"""What an alert is: a cause that stands open until it is over, and what was told of it so far."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class AlertType(StrEnum):
    """The specification's seven words, in `alert_type`."""

    TASK_FAILURE = "task_failure"
    TASK_TIMEOUT = "task_timeout"
    CONSECUTIVE_FAILURES = "consecutive_failures"
    SYSTEM_HEALTH = "system_health"
    STUCK_TASK = "stuck_task"
    DISK_SPACE = "disk_space"
    MEMORY = "memory"


class Severity(StrEnum):
    """The specification's four words, in `severity`, the gravest first."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the gravest."""
        return list(Severity).index(self)

    def reaches(self, least: Severity) -> bool:
        """Whether this is at least as grave as *least*."""
        return self.rank <= least.rank


# The subtype of what a job elsewhere raises is this and the job's name.
PING_PREFIX = "ping:"
# The subtype of what is told once a week.
WEEKLY_DIGEST = "weekly_digest"


class AlertState(StrEnum):
    """Where an alert stands in one word."""

    OPEN = "open"
    SEEN = "seen"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What makes two alerts the same one. Without a task it is the system's, of one node or of all (None).

    `subtype` names what `system_health` is about, such as a probe or an anomaly; it is None where the type says all.
    """

    alert_type: AlertType
    subtype: str | None = None
    task_id: int | None = None
    node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alert to raise for a cause that is not the end of a run; an open one of the same cause is counted up."""

    cause: Cause
    severity: Severity
    message: str
    task_name: str | None = None
    execution_id: int | None = None
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A stored alert. Instants are aware and in UTC; what was told is None or 0 while nobody heard of it."""

    id: int
    cause: Cause
    severity: Severity
    message: str
    task_name: str | None
    execution_id: int | None
    details: Mapping[str, object]
    occurrences: int
    created_at: datetime
    last_occurred_at: datetime
    acknowledged: bool = False
    acknowledged_at: datetime | None = None
    acknowledged_by: int | None = None
    snoozed_until: datetime | None = None
    resolved: bool = False
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    note: str | None = None
    told_severity: Severity | None = None
    told_occurrences: int = 0
    told_at: datetime | None = None
    reminders: int = 0

    def state(self, now: datetime) -> AlertState:
        """Return where it stands."""
        if self.resolved:
            return AlertState.RESOLVED
        if self.snoozed_until is not None and self.snoozed_until > now:
            return AlertState.SNOOZED
        return AlertState.SEEN if self.acknowledged else AlertState.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """Which alerts are asked for; None asks for all. *groups* are those of their tasks, `""` of tasks without one.

    With groups only alerts of tasks in them are found, and none of the system.
    """

    resolved: bool = False
    severity: Severity | None = None
    alert_type: AlertType | None = None
    task_id: int | None = None
    groups: AbstractSet[str] | None = None
