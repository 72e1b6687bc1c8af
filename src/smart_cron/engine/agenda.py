"""When the master must look at the database next: at the next slot, at news, and at least once a second."""

from __future__ import annotations

from datetime import datetime, timedelta

# Manual runs and edits by SQL are noticed within this.
PROBE_INTERVAL = timedelta(seconds=1)
SWEEP_INTERVAL = timedelta(seconds=5)
FIRST_BACKOFF = timedelta(milliseconds=250)
LONGEST_BACKOFF = timedelta(seconds=5)


class Agenda:
    """Deadlines on a clock that does not step, but for the next slot, which is a wall-clock instant."""

    def __init__(self, boottime: float, *, heartbeat: timedelta = timedelta(seconds=5)) -> None:
        self._probe_at = self._sweep_at = boottime
        self._heartbeat, self._beat_at = heartbeat, boottime + heartbeat.total_seconds()
        self._backoff = FIRST_BACKOFF
        self._blocked_until = 0.0
        self.next_due_at: datetime | None = None

    def patience(self, *, now: datetime, boottime: float) -> float:
        """Return the seconds to wait for news at most."""
        if boottime < self._blocked_until:
            return self._blocked_until - boottime
        waits = [self._probe_at - boottime, self._sweep_at - boottime, self._beat_at - boottime]
        if self.next_due_at is not None:
            waits.append((self.next_due_at - now).total_seconds())
        return max(0.0, min(waits))

    def slot_is_due(self, now: datetime) -> bool:
        """Whether a slot or a retry has come."""
        return self.next_due_at is not None and now >= self.next_due_at

    def probe_is_due(self, boottime: float) -> bool:
        """Whether it is time to see what others changed."""
        return boottime >= self._probe_at

    def sweep_is_due(self, boottime: float) -> bool:
        """Whether claims must be held against what lives."""
        return boottime >= self._sweep_at

    def beat_is_due(self, boottime: float) -> bool:
        """Whether the others must hear that this node lives."""
        return boottime >= self._beat_at

    def beaten(self, boottime: float) -> None:
        """The others have heard."""
        self._beat_at = boottime + self._heartbeat.total_seconds()

    def may_try(self, boottime: float) -> bool:
        """Whether a database that failed is given another chance."""
        return boottime >= self._blocked_until

    def served(self, *, next_due_at: datetime | None) -> None:
        """The database did what it was asked, and the next slot or retry is then."""
        self.next_due_at = next_due_at
        self._backoff = FIRST_BACKOFF
        self._blocked_until = 0.0

    def looked(self, boottime: float) -> None:
        """What is due and what others changed was looked for."""
        self._probe_at = boottime + PROBE_INTERVAL.total_seconds()

    def swept(self, boottime: float) -> None:
        """Claims were held against what lives."""
        self._sweep_at = boottime + SWEEP_INTERVAL.total_seconds()

    def sweep_soon(self) -> None:
        """Something was lost sight of: look at once."""
        self._sweep_at = 0.0

    def failed(self, boottime: float) -> None:
        """The database did not serve: wait, longer each time, and ask first whether it is still the same one."""
        self._beat_at = 0.0
        self._blocked_until = boottime + self._backoff.total_seconds()
        self._backoff = min(self._backoff * 2, LONGEST_BACKOFF)
