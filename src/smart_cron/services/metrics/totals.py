"""Totals of all tasks by hour and day, beside a master."""

from __future__ import annotations

import time

from smart_cron.core.ports.metrics import TotalStore

# Of one minute. Where a long history gets its totals, it takes a few hours to do so, and delays nobody.
SECONDS = 0.5


def reckon_totals(totals: TotalStore) -> int:
    """Reckon what is missing for half a second; return how many totals were made."""
    until = time.monotonic() + SECONDS
    return totals.reckon(enough=lambda: time.monotonic() > until)
