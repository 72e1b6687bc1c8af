"""The scheduler's own sign of life: what it no longer says is noticed where it is watched from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import timedelta

from smart_cron.core.errors import DatabaseError
from smart_cron.core.message import DeliveryError
from smart_cron.core.ports import Database, Log, NodeStore

EACH_SECONDS = 58.0
# A pass from a crontab beats once a minute.
LATEST_BEAT = timedelta(seconds=90)


class SchedulerPing:
    """Pings an address while this node's master beats in a database that serves.

    A master whose loop stands still, or whose database is gone, runs no task: then it keeps silent, which is what the
    other side waits for.
    """

    def __init__(
        self,
        *,
        node: str,
        silence: timedelta,
        database: Database,
        nodes: NodeStore,
        call: Callable[[], str],
        log: Log,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node, self._latest_beat = node, max(silence, LATEST_BEAT)
        self._database, self._nodes, self._call, self._log = database, nodes, call, log
        self._clock, self._next_at = clock, -math.inf
        self._was_taken = True

    def ping(self) -> bool:
        """Give the sign of life, each minute at most; False where there is none to give, or nobody took it.

        Called more often than that, since a master that has just begun should not wait a minute for its first one.
        """
        if self._clock() < self._next_at or not self._lives():
            return False
        self._next_at = self._clock() + EACH_SECONDS
        try:
            self._call()
        except DeliveryError as error:
            if self._was_taken:
                self._log.warning("Scheduler's ping was not taken", reason=str(error))
            self._was_taken = False
            return False
        self._was_taken = True
        return True

    def _lives(self) -> bool:
        try:
            now = self._database.now()
            beats = [record.heard_at for record in self._nodes.nodes() if record.name == self._node]
        except DatabaseError:
            return False
        return any(now - beat < self._latest_beat for beat in beats)
