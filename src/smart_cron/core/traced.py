"""A run as the instants on its way, for traces; and which runs were recorded lately."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

# What nobody fetched is let go, the oldest first: a trace may be missing, the master's memory may not grow.
MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedRun:
    """One execution. An instant is None where it never came, such as the slot of a run that a person asked for."""

    execution_id: int
    run_id: str
    task_name: str
    status: str
    attempt: int
    triggered_by: str
    node: str | None
    exit_code: int | None
    error_type: str | None
    scheduled_for: datetime | None
    due_at: datetime | None
    claimed_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None


class RecordedRuns:
    """Runs that were just recorded, with when: filled by the master, emptied by another thread."""

    def __init__(self) -> None:
        self._runs: deque[tuple[int, datetime]] = deque(maxlen=MOST_KEPT)

    def add(self, execution_ids: Sequence[int], at: datetime) -> None:
        """Note these; it takes no time and never fails."""
        self._runs.extend((number, at) for number in execution_ids)

    def take(self, most: int) -> dict[int, datetime]:
        """Return at most so many, the oldest first, and forget them."""
        taken: dict[int, datetime] = {}
        while self._runs and len(taken) < most:
            number, at = self._runs.popleft()
            taken[number] = at
        return taken

    def put_back(self, runs: Mapping[int, datetime]) -> None:
        """Have these taken again later, after all others: what can never be handed on keeps nothing else back."""
        self._runs.extend(runs.items())
