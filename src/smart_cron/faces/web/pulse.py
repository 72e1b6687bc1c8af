"""Whether the system serves and is well, asked seldom however often it is asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from smart_cron.core.errors import SmartCronError
from smart_cron.core.health import FRESH
from smart_cron.faces.web.desk import Desk
from smart_cron.store.gateway import Store

KEEP_SECONDS = 1.5
WITHIN_SECONDS = 2.0
# Tables change with an upgrade, not by the second, and looking them up takes some milliseconds.
SCHEMA_SECONDS = 30.0


class Answer:
    """One question with its last answer. While one asks, the others wait for the same answer."""

    def __init__(self, look: Callable[[], bool], desk: Desk) -> None:
        self._look, self._desk = look, desk
        self._value, self._until = False, 0.0
        self._flight: asyncio.Task[None] | None = None

    async def get(self) -> bool:
        """Return the answer; one that nobody can give in time is no."""
        if time.monotonic() >= self._until:
            if self._flight is None or self._flight.done():
                self._flight = asyncio.create_task(self._fly())
            # A client that leaves must not take the answer away from the others.
            await asyncio.shield(self._flight)
        return self._value

    async def _fly(self) -> None:
        try:
            self._value = await self._desk.ask(self._look, within_seconds=WITHIN_SECONDS)
        except (SmartCronError, TimeoutError):
            self._value = False
        except Exception:
            self._value = False
            raise
        finally:
            self._until = time.monotonic() + KEEP_SECONDS


class Pulse:
    """`ready`: the database answers and its tables fit. `healthy`: ready, and the newest checks found nothing grave."""

    def __init__(self, store: Store, desk: Desk) -> None:
        self._store, self._schema_until = store, 0.0
        self.ready, self.healthy = Answer(self._is_ready, desk), Answer(self._is_healthy, desk)

    def _is_ready(self) -> bool:
        if time.monotonic() >= self._schema_until:
            self._schema_until = 0.0
            self._store.database.check()
            self._schema_until = time.monotonic() + SCHEMA_SECONDS
        self._store.database.now()
        return True

    def _is_healthy(self) -> bool:
        return self._is_ready() and self._store.health.latest(within=FRESH).word == "healthy"
