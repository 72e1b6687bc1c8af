"""Regions of one page, for everybody who may see the same of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

LOOK_SECONDS = 1.0
# Proxies end connections on which nothing moves.
QUIET_SECONDS = 20.0
Render = Callable[[], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class Event:
    """A region as it is now; `number` grows with every event of the channel."""

    number: int
    region: str
    html: str


@dataclass(eq=False)
class Channel:
    """Renders while somebody listens, and keeps the newest of each region.

    *render* raises nothing: what cannot be rendered now is a region that says so.
    """

    render: Render
    epoch: str
    _newest: dict[str, Event] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)
    _task: asyncio.Task[None] | None = None
    _listeners: int = 0

    async def listen(self, last_seen: int) -> AsyncIterator[list[Event]]:
        """Yield what is newer than *last_seen*, and then what becomes so; an empty list where nothing moved long."""
        self._begin()
        try:
            while True:
                fresh = sorted(
                    (event for event in self._newest.values() if event.number > last_seen), key=lambda each: each.number
                )
                if fresh:
                    last_seen = fresh[-1].number
                yield fresh
                await self._wait(last_seen)
        finally:
            self._end()

    async def _wait(self, last_seen: int) -> None:
        async with self._moved:
            try:
                await asyncio.wait_for(self._moved.wait_for(lambda: self._last > last_seen), QUIET_SECONDS)
            except TimeoutError:
                return

    @property
    def _last(self) -> int:
        return max((event.number for event in self._newest.values()), default=0)

    @property
    def is_idle(self) -> bool:
        """Whether nobody listens."""
        return self._listeners == 0

    def _begin(self) -> None:
        self._listeners += 1
        if self._task is None:
            self._task = asyncio.create_task(self._look())

    def _end(self) -> None:
        self._listeners -= 1
        if self.is_idle and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _look(self) -> None:
        while True:
            await self._take(await self.render())
            await asyncio.sleep(LOOK_SECONDS)

    async def _take(self, regions: Mapping[str, str]) -> None:
        changed = {
            name: html for name, html in regions.items() if name not in self._newest or self._newest[name].html != html
        }
        if not changed:
            return
        for name, html in changed.items():
            self._newest[name] = Event(next(self._numbers), name, html)
        async with self._moved:
            self._moved.notify_all()
