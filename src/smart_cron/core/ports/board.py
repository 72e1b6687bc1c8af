"""What lists of tasks ask of the store: lean rows, bounded pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from smart_cron.core.task_board import Pulse, TaskCounts, TaskFilter, TaskLine, TaskSort


class TaskBoard(Protocol):
    """Tasks by the page. Nothing here reads executions."""

    def page(
        self, wanted: TaskFilter, *, sort: TaskSort, descending: bool, offset: int, limit: int
    ) -> Sequence[TaskLine]:
        """Return tasks in this order, what has no value for it last; equal ones by name."""

    def counts(self, wanted: TaskFilter) -> TaskCounts:
        """Return how many tasks are wanted, whatever their state, and how many of them are in each."""

    def lines(self, ids: Sequence[int]) -> Sequence[TaskLine]:
        """Return those of these tasks that there are, by name."""

    def groups(self, near: frozenset[str] | None) -> Sequence[str]:
        """Return the groups that tasks are in, by name, of those that somebody is let near."""

    def tags(self, near: frozenset[str] | None) -> Sequence[str]:
        """Return the node tags that tasks of these groups ask for, by name."""

    def pulses(self, ids: Sequence[int], *, limit: int) -> Mapping[int, Sequence[Pulse]]:
        """Return the last *limit* hours of each task in which a run of it ended, the earliest first."""

    def pulses_between(self, task_id: int, *, since: datetime, until: datetime) -> Sequence[Pulse]:
        """Return the hours (days of the remoter past) with since <= instant < until in which a run ended, in order."""
