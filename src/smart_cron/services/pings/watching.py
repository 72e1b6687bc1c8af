"""Noticing silence, each minute on every node: the first that looks tells of it."""

from __future__ import annotations

from smart_cron.core.ports import Log
from smart_cron.core.ports.pings import PingStore


class SilenceWatch:
    """Looks for jobs that should have reported by now."""

    def __init__(self, pings: PingStore, log: Log) -> None:
        self._pings, self._log = pings, log

    def look(self) -> None:
        """Raise the alerts of jobs that fell silent, and write down which."""
        for check in self._pings.look():
            self._log.error("Job elsewhere is silent", check=check.terms.name, state=str(check.state))
