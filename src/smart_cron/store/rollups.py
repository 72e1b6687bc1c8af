"""Runs summed up by task, node and hour as they are recorded."""

from __future__ import annotations

from collections.abc import Sequence

from smart_cron.core.run import Settlement
from smart_cron.store.session import Session


class Rollups:
    """Adds outcomes to `smart_cron_metrics`, in the caller's transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, settlements: Sequence[Settlement]) -> None:
        """Count these outcomes."""
