"""How messages leave."""

from __future__ import annotations

from typing import Protocol

from smart_cron.core.message import Message


class Channel(Protocol):
    """One way out, such as a mail server. Not shared between threads."""

    def send(self, message: Message, *, target: str) -> str:
        """Send it to *target* and return the server's answer in a line. Raise DeliveryError where it was not taken."""

    def close(self) -> None:
        """Hang up."""
