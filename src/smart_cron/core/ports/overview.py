"""What a page asks of the store to say at one glance how things stand.

*groups* are the groups of tasks that somebody is let near, None all; tasks without one are in `""`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Protocol

from smart_cron.core.overview import Counters, RunningRun, TaskHour, TaskLine, UpcomingSlot
from smart_cron.core.rollup import Rollup

Groups = AbstractSet[str] | None


class OverviewStore(Protocol):
    """Reads that cost the same at any length of the history: none looks at executions that are over."""

    def counters(self, groups: Groups) -> Counters:
        """Return every counter of this moment, by one statement. Alerts of the system count for who sees all groups."""

    def running(self, groups: Groups, *, limit: int) -> Sequence[RunningRun]:
        """Return what nodes hold now, the longest first."""

    def upcoming(self, groups: Groups, *, until: datetime, limit: int) -> Sequence[UpcomingSlot]:
        """Return the next slots of tasks before *until*, the earliest first."""

    def tasks(self, groups: Groups, *, limit: int) -> Sequence[TaskLine]:
        """Return tasks: those that fail first, then those that ran last."""

    def sums(self, groups: Groups, *, since: datetime, until: datetime) -> Sequence[Rollup]:
        """Return the hours with since <= hour < until, summed up over tasks, the earliest first; without histograms."""

    def task_hours(
        self, task_ids: Sequence[int], *, since: datetime, until: datetime
    ) -> Mapping[int, Sequence[TaskHour]]:
        """Return the hours of each of these tasks, the earliest first; hours without a run are left out."""

    def groups_of(self, task_ids: Sequence[int]) -> Mapping[int, str | None]:
        """Return the group of each of these tasks that there is."""

    def search(self, words: str, groups: Groups, *, limit: int) -> Sequence[TaskLine]:
        """Return tasks with these words in their name, those that begin with them first."""
