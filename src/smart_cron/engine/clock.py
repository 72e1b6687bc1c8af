"""The machine's clocks behind the port, and run ids, which begin with the time."""

from __future__ import annotations

import os
import time
import uuid
from datetime import UTC, datetime

from smart_cron.core.ports import Clock

# Less than this is a correction that planning by high-water marks does not mind.
TOLERATED_SECONDS = 1.0


class SystemClock:
    """The real clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def boottime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)


class StepWatch:
    """Notices when the wall clock is set back, against the clock that never steps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lead = self._lead_now()

    def _lead_now(self) -> float:
        return self._clock.now().timestamp() - self._clock.boottime()

    def set_back_by(self) -> float:
        """Return by how many seconds it was set back since this was last asked; 0 for what slewing explains."""
        before, self._lead = self._lead, self._lead_now()
        step = before - self._lead
        return step if step > TOLERATED_SECONDS else 0.0


def new_run_id(now: datetime) -> str:
    """Return a UUID of version 7 (RFC 9562): ids of one period lie together in the index on them."""
    milliseconds = int(now.timestamp() * 1000) & (1 << 48) - 1
    random = int.from_bytes(os.urandom(10), "big")
    high, low = random >> 62 & 0xFFF, random & (1 << 62) - 1
    return str(uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low))
