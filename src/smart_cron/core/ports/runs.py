"""What pages ask of the store about runs: lists by any filter, one run with its slot, and sums for the filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from smart_cron.core.rollup import Rollup
from smart_cron.core.run_filter import RunFilter, RunPage, RunPlace


class RunReads(Protocol):
    """Reads that take as long over ten million executions as over a thousand."""

    def page(
        self, wanted: RunFilter, *, before: RunPlace | None = None, after: RunPlace | None = None, limit: int = 50
    ) -> RunPage:
        """Return runs older than *before*, or newer than *after*, or the newest; without their output."""

    def brief(self, run: str) -> dict[str, Any]:
        """Return one execution by its number or run id, without its output. Raise UnknownRunError."""

    def of_slot(self, *, task_id: int, slot: datetime) -> Sequence[Mapping[str, Any]]:
        """Return the attempts of a slot, the first one first."""

    def nodes(self) -> Sequence[str]:
        """Return the names of nodes there are, by name."""

    def sums(self, wanted: RunFilter, *, since: datetime, until: datetime) -> Rollup:
        """Return the sum of the hours of the span for the filter's task, node and groups; without a histogram."""

    def histogram(self, wanted: RunFilter, *, since: datetime, until: datetime) -> Mapping[int, int]:
        """Return how the durations of these hours are spread; see `spread_since` for what it costs."""

    def spread_since(self, wanted: RunFilter, *, since: datetime, until: datetime) -> datetime:
        """Return from when on the histogram of the span is cheap to read: from its beginning, or near its end."""
