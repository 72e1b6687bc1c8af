"""What the web, the commands and the master ask of the store about jobs that report by ping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from smart_cron.core.ping import Ping, PingCheck, PingTerms


class PingStore(Protocol):
    """Checks and their pings, on the database's clock. Changes by a person write an audit row for `actor`."""

    def add(self, terms: PingTerms, *, key: str, actor: str) -> PingCheck:
        """Enter a check whose key this is; only its SHA-256 is kept. Raise PingExistsError, InvalidInputError."""

    def get(self, name: str) -> PingCheck:
        """Raise UnknownPingError where there is none."""

    def checks(self) -> Sequence[PingCheck]:
        """Return every check, by name."""

    def change(self, terms: PingTerms, *, actor: str) -> PingCheck:
        """Give the check of this name other terms. Raise UnknownPingError, InvalidInputError."""

    def rotate(self, name: str, *, key: str, actor: str) -> PingCheck:
        """Let this be the check's key; the one before is worth nothing from now on. Raise UnknownPingError."""

    def remove(self, name: str, *, actor: str) -> None:
        """Forget the check, and resolve what stood open of it. Raise UnknownPingError."""

    def record(self, key: str, ping: Ping) -> bool:
        """Write a ping down and raise or resolve the alert for it; False where no check has this key."""

    def listening(self) -> None:
        """Say that a web server takes pings now."""

    def look(self) -> Sequence[PingCheck]:
        """Raise an alert for each check that turned bad by silence, once however many nodes look; return these."""
