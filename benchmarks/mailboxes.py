"""A mail server that notes when each mail came."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.notify.sinks import Mailbox


@dataclass
class TimedMailbox(Mailbox):
    """A mail server that notes when each mail came."""

    came_at: list[datetime] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.came_at.append(datetime.now(UTC))
        return await super().handle_DATA(server, session, envelope)
