"""How many old slots may be made up for now: a bucket that fills with time."""

from __future__ import annotations

# What may go at once after a while without any: the rate of so many seconds.
BURST_SECONDS = 5.0


class Allowance:
    """Counts starts against a rate, on a clock that does not step."""

    def __init__(self, *, per_minute: int, boottime: float) -> None:
        self._rate = per_minute / 60
        self._filled = self._most
        self._at = boottime

    @property
    def _most(self) -> float:
        return max(1.0, self._rate * BURST_SECONDS)

    def set_rate(self, per_minute: int) -> None:
        """Go by another rate from now on."""
        self._rate = per_minute / 60
        self._filled = min(self._filled, self._most)

    def now(self, boottime: float) -> int:
        """Return how many may start."""
        self._filled = min(self._most, self._filled + (boottime - self._at) * self._rate)
        self._at = boottime
        return int(self._filled)

    def spend(self, count: int) -> None:
        """Note that so many started."""
        self._filled -= count
