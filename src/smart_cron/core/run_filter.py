"""Which runs somebody wants to see, and a place in the list of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from smart_cron.core.run import Status, Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """All that is given must hold. `since` <= a run's time < `until`.

    A run's time is its start; where all of `statuses` are failures it is the end, since some of these never started.
    `groups` are those of the reader, None all; runs of tasks without one are in `""`.
    """

    task_id: int | None = None
    statuses: tuple[Status, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    trigger: Trigger | None = None
    node: str | None = None
    exit_code: int | None = None
    least_seconds: float | None = None
    most_seconds: float | None = None
    groups: frozenset[str] | None = None

    @property
    def is_dated(self) -> bool:
        """Whether it asks for a span of time."""
        return self.since is not None or self.until is not None

    @property
    def is_summed(self) -> bool:
        """Whether the hourly sums can answer it: they are kept by task and node."""
        others = (self.trigger, self.exit_code, self.least_seconds, self.most_seconds)
        return not self.statuses and all(each is None for each in others)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlace:
    """Between two runs of the list: before or after this one. `at` is its time in lists that go by time, else None."""

    id: int
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """Rows as plain dictionaries, newest first.

    `older` and `newer` are where to go on, None where nothing can be. `is_cut` says that no more rows were looked at
    although fewer were found than asked for: what no index finds is looked for piece by piece.
    """

    rows: Sequence[Mapping[str, Any]]
    older: RunPlace | None = None
    newer: RunPlace | None = None
    is_cut: bool = False
