"""The figures of one moment, as they are handed to those who scrape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from smart_cron.core.sample import NodeSample

# Under this name the tasks are summed up that are not named; no task can be called so by chance.
OTHERS = "_others"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFigures:
    """One task's figures, or the sum of several. Totals are the tasks' own, which no clean-up takes anything from.

    Instants are the latest that it ran and the earliest that it will; `consecutive_failures` is the worst of several.
    """

    name: str
    successes: int = 0
    failures: int = 0
    timed_runs: int = 0
    timed_seconds: float = 0.0
    consecutive_failures: int = 0
    running: int = 0
    last_run_at: datetime | None = None
    next_run_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything that is exported. Lateness is of the runs that ended in this hour and the one before.

    `tasks` counts them by state, `waiting` executions by what they wait for; failed deliveries are of the last day.
    """

    taken_at: datetime
    named_tasks: tuple[TaskFigures, ...] = ()
    tasks: Mapping[str, int] = field(default_factory=dict)
    open_alerts: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)
    running: int = 0
    deliveries_pending: int = 0
    deliveries_failed: int = 0
    lateness_runs: int = 0
    lateness_sum: float = 0.0
    lateness_max: float | None = None
    samples: tuple[NodeSample, ...] = ()
