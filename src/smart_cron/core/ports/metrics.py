"""What is asked of the store about figures: rollups, samples of nodes, a task's own past, and what is exported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from smart_cron.core.anomaly import Sample
from smart_cron.core.exported import Figures
from smart_cron.core.rollup import Rollup, TaskCounts
from smart_cron.core.sample import NodeSample
from smart_cron.core.traced import TracedRun


class RollupStore(Protocol):
    """Runs summed up by hour. Every span is since <= instant < until."""

    def series(self, *, task_id: int, since: datetime, until: datetime) -> list[Rollup]:
        """Return the hours of a task, the earliest first; hours without a run are left out.

        Of a past that was made into days a day stands as its first hour.
        """

    def counts_by_task(self, *, since: datetime, until: datetime, watched_only: bool = False) -> Sequence[TaskCounts]:
        """Return how the runs of each task went in the hours of the span.

        Watched are those that are switched on, with alerts, and with a tolerance above 0.
        """


class TotalStore(Protocol):
    """Sums of all tasks together, by hour and day, for those who ask of no task in particular."""

    def reckon(self, *, enough: Callable[[], bool]) -> int:
        """Reckon what is missing, the newest first, until there is *enough*; return how many totals were made."""


class SampleStore(Protocol):
    """What nodes used, minute by minute."""

    def add(self, sample: NodeSample) -> None:
        """Keep a sample."""

    def latest(self) -> list[NodeSample]:
        """Return the newest sample of each node, by name."""

    def series(self, *, node: str, since: datetime, until: datetime) -> list[NodeSample]:
        """Return a node's samples with since <= instant < until, the earliest first."""

    def counts(self, *, node: str) -> tuple[int, int]:
        """Return how many runs the node holds, and how many executions wait on all nodes."""


class PastStore(Protocol):
    """A task's own past."""

    def last_successes(self, task_id: int, *, limit: int) -> list[Sample]:
        """Return what the task's last successes took, at most *limit*, the earliest first."""


class TraceStore(Protocol):
    """Runs as the instants on their way."""

    def traced(self, execution_ids: Sequence[int]) -> list[TracedRun]:
        """Return those of these that are there, by number."""


class FigureStore(Protocol):
    """What is exported to those who scrape."""

    def figures(self, *, named: int) -> Figures:
        """Return every figure of this moment; the *named* tasks with most runs by name, the rest summed up."""
