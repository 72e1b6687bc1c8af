"""The outbox: messages and pings on their way. The port `OutboxStore`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from smart_cron.core.run import Settlement
from smart_cron.store.session import Session


class Outbox:
    """Messages, each to one receiver, until they are sent or given up."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add_pings(self, settlements: Sequence[Settlement], *, now: datetime) -> None:
        """Put a ping for each of these ends into the outbox, in the caller's transaction."""
