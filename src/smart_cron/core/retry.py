"""When a failed run is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

MAX_DELAY = timedelta(hours=1)
MAX_JITTER = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often, and how patiently, a failed run is tried again."""

    max_retries: int
    base_delay: timedelta

    def next_attempt_at(self, *, attempt: int, failed_at: datetime, jitter: float) -> datetime | None:
        """Return when to try again after attempt number `attempt` (1 is the first), or None to give up.

        The delay doubles with each attempt, is spread by `jitter` (-0.1 to 0.1, handed in so that this stays a pure
        function), and never exceeds one hour, or `base_delay` where that is longer.
        """
        if attempt > self.max_retries:
            return None
        longest = max(MAX_DELAY, self.base_delay)
        # Cap before the product: a large base or attempt overflows timedelta.
        doubled = min(self.base_delay.total_seconds() * (1 << min(attempt - 1, 20)), longest.total_seconds())
        spread = doubled * (1 + max(-MAX_JITTER, min(MAX_JITTER, jitter)))
        return failed_at + min(timedelta(seconds=spread), longest)
