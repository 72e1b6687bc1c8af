"""The instants of runs: the port `TraceStore`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from smart_cron.core.traced import TracedRun
from smart_cron.store.bulk import placeholders
from smart_cron.store.session import Session

_FACTS = (
    "id",
    "run_id",
    "task_name",
    "status",
    "attempt",
    "triggered_by",
    "node",
    "exit_code",
    "error_type",
)
_INSTANTS = ("scheduled_for", "due_at", "claimed_at", "started_at", "completed_at")


class Traces:
    """Reads runs by their numbers, without what they printed."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def traced(self, execution_ids: Sequence[int]) -> list[TracedRun]:
        """Return those of these that are there, by number."""
        if not execution_ids:
            return []
        rows = self._session.rows(
            f"""SELECT {", ".join((*_FACTS, *_INSTANTS))} FROM smart_cron_executions
             WHERE id IN ({placeholders(execution_ids)}) AND run_id IS NOT NULL ORDER BY id""",
            list(execution_ids),
        )
        return [self._run(row) for row in rows]

    def _run(self, row: Sequence[Any]) -> TracedRun:
        instants: dict[str, Any] = {
            name: self._session.dialect.read_instant(value)
            for name, value in zip(_INSTANTS, row[len(_FACTS) :], strict=True)
        }
        facts: dict[str, Any] = dict(zip(("execution_id", *_FACTS[1:]), row, strict=False))
        return TracedRun(**facts, **instants)
