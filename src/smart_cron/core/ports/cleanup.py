"""What the clean-up asks of the store, and of whoever looks after backups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from smart_cron.core.retention import OldRows, OldRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One transaction: `looked_at` is how many rows it found to take, `rows` how many it took.

    `held` is how long it held its locks, `worked` how much of that was before its COMMIT. Where nothing was found
    nothing is left to be done.
    """

    looked_at: int
    rows: int
    held: timedelta = timedelta()
    worked: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRun:
    """The execution that a run id belongs to."""

    id: int
    is_final: bool


class CleanupStore(Protocol):
    """Old rows. Every method that changes something is one short transaction, tried again after a conflict."""

    @property
    def lock_limit(self) -> timedelta:
        """How long one transaction may hold its locks."""

    @property
    def least_pause(self) -> timedelta:
        """How long others must be let in after each transaction."""

    def old_runs(self, *, before: datetime) -> Iterator[Sequence[OldRun]]:
        """Yield portions of the executions that ended before this; each is read when it is asked for.

        None that another node may yet correct: a loss that was guessed while that node has not been back.
        """

    def floors(self, task_ids: Sequence[int], *, keep: int) -> Mapping[int, int]:
        """Return, by task, the number of the oldest of its *keep* newest executions; nothing of tasks with fewer."""

    def delete_runs(self, ids: Sequence[int], *, before: datetime) -> Cut:
        """Delete those of these executions that ended before this."""

    def known_runs(self, run_ids: Sequence[str]) -> Mapping[str, KnownRun]:
        """Return the executions of these run ids; those without one are left out."""

    def count_old(self, kind: OldRows, *, before: datetime) -> int:
        """Return how many rows of a kind are older than this."""

    def delete_old(self, kind: OldRows, *, before: datetime, limit: int) -> Cut:
        """Delete rows of a kind that are older than this, no more than *limit*."""

    def tasks_with_hours(self, *, before: datetime) -> Sequence[int]:
        """Return the tasks that have hours before this instant, the beginning of a day in UTC, in their metrics."""

    def roll_up(self, task_id: int, *, before: datetime, limit: int) -> Cut:
        """Add no more than *limit* hours of the task to their days, and delete them.

        Where somebody holds the task nothing is done: the next time will do.
        """


class StatisticsStore(Protocol):
    """What the planner of the database knows of tables."""

    def refresh(self, tables: Sequence[str]) -> int:
        """Have it look at these tables, without keeping anybody waiting; return of how many that came about."""


class CleanupBook(Protocol):
    """When somebody cleaned up last. Times are the database's own clock."""

    def note(self, counts: Mapping[str, int], *, actor: str, is_whole: bool) -> None:
        """Write down that somebody cleaned up, and what went; *is_whole* where every step was taken."""

    def done_since(self, at: datetime) -> datetime | None:
        """Return when a whole clean-up ended last, where that is not before *at*."""
