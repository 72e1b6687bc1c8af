"""A breath between transactions on SQLite, whose waiting is unfair.

Who waits for the write lock sleeps and looks again; back-to-back transactions of 2 ms locked a second writer out for
six seconds. So who has held the lock for some time in all, without a pause long enough for others, makes one.
"""

from __future__ import annotations

from collections.abc import Callable

HELD_SECONDS = 0.05
PAUSE_SECONDS = 0.005


class Fairness:
    """Told of each transaction's start and end by one thread."""

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._clock, self._sleep = clock, sleep
        self._held = 0.0
        self._begun = self._ended = clock()

    def before(self) -> None:
        """Pause where the lock was held for long without a gap."""
        if self._clock() - self._ended >= PAUSE_SECONDS:
            self._held = 0.0
        elif self._held >= HELD_SECONDS:
            self._sleep(PAUSE_SECONDS)
            self._held = 0.0
        self._begun = self._clock()

    def after(self) -> None:
        """Note that the lock is free again."""
        self._ended = self._clock()
        self._held += self._ended - self._begun
