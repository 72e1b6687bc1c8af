"""When news is worth a transaction: a transaction costs as much as some runs, so ends are gathered."""

from __future__ import annotations

from math import inf

# Until so much of what runs has ended (the rest keeps the processors busy meanwhile), or this long.
RIPE_SHARE = 0.7
END_PATIENCE_SECONDS = 0.01
# That a run has started is nobody's business before it has run for a while.
START_PATIENCE_SECONDS = 0.05
# With others started in their places, ends may be gathered for longer: each of them is safe in its run file.
MOST_UNRECORDED = 50
RECORD_PATIENCE_SECONDS = 0.03


class Ripeness:
    """Deadlines on the clock that does not step. `at` is when to act; infinite where there is no news."""

    def __init__(self) -> None:
        self.at = inf
        # Ends whose places have been given to nobody yet.
        self._freed = 0
        # When they must be recorded, whether or not their places were given to others before.
        self._record_by = inf

    def heard(self, *, starts: int, ends: int, going: int, boottime: float) -> None:
        """Take news into account; *going* runs are left."""
        if not starts and not ends:
            return
        self._freed += ends
        patience = END_PATIENCE_SECONDS if ends else START_PATIENCE_SECONDS
        self._record_by = min(self._record_by, boottime + max(patience, RECORD_PATIENCE_SECONDS))
        if ends and self._freed >= RIPE_SHARE * (self._freed + going):
            patience = 0.0
        self.at = min(self.at, boottime + patience)

    def at_once(self, boottime: float) -> None:
        """There is something that must not wait."""
        self.at = self._record_by = boottime

    def may_be_put_off(self, *, unrecorded: int, boottime: float) -> bool:
        """Whether recording may be left to a later transaction, now that the places are filled."""
        return unrecorded < MOST_UNRECORDED and boottime < self._record_by

    def refilled(self) -> None:
        """The free places were given to others; what ended is still unrecorded."""
        self._freed = 0
        self.at = self._record_by

    def recorded(self) -> None:
        """All news was written, as far as one transaction takes it."""
        self._freed = 0
        self.at = self._record_by = inf
