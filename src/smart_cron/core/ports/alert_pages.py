"""Alerts by the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from smart_cron.core.alert import Alert, AlertFilter


class AlertPages(Protocol):
    """Reads of which each costs about the same, however far somebody pages on."""

    def page(self, wanted: AlertFilter, *, after: Alert | None = None, limit: int) -> Sequence[Alert]:
        """Return open alerts, the gravest first and then the newest, or resolved ones, the newest first.

        Page on with *after*, the last alert of the page before.
        """
