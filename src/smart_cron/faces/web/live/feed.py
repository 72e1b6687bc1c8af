"""What grows at its end (an output, a log), read once for everybody who follows it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from smart_cron.faces.web.gate import RefusedError
from smart_cron.faces.web.live.channel import QUIET_SECONDS

LOOK_SECONDS = 0.25
# While the database is away, or too much waits for it.
AGAIN_SECONDS = 1.0
# Growth is kept for those who are a little behind; who is further behind reads for himself.
KEPT = 64
_T = TypeVar("_T")
Ask = Callable[[Callable[[], _T]], Awaitable[_T]]


@dataclass(frozen=True, slots=True)
class Growth:
    """What came between two marks, as HTML. Without progress both marks are the same."""

    before: str
    after: str
    html: str


class Tail(Protocol):
    """Reads what grows; every method may take a while, and is called from a desk."""

    def head(self) -> str:
        """Return the mark at the end of all that was read; at first of all that is there."""

    def grow(self) -> Growth | None:
        """Read what came after the head, a bounded piece of it, and move the head. None where nothing came."""

    def catch_up(self, mark: str) -> Growth:
        """Return what lies between a mark and the head, a bounded piece of it; nothing for a mark that is none."""

    @property
    def is_over(self) -> bool:
        """Whether nothing will come any more."""


@dataclass(eq=False)
class Feed:
    """Looks while somebody listens. *ask* asks a desk; it raises where the desk is busy."""

    tail: Tail
    ask: Ask  # type: ignore[type-arg]
    _head: str | None = None
    _kept: deque[Growth] = field(default_factory=lambda: deque(maxlen=KEPT))
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)
    _task: asyncio.Task[None] | None = None
    _listeners: int = 0
    _is_over: bool = False

    async def listen(self, mark: str) -> AsyncIterator[Growth | None]:
        """Yield what comes after the mark, without gap or repeat; None where nothing came for long. Ends at the end."""
        self._listeners += 1
        if self._task is None:
            self._task = asyncio.create_task(self._look())
        try:
            while True:
                seen = self._head
                growth = await self._next(mark)
                if growth is not None:
                    mark = growth.after
                    yield growth
                elif self._is_over:
                    return
                elif not await self._wait(seen):
                    yield None
        finally:
            self._listeners -= 1
            if self.is_idle and self._task is not None:
                self._task.cancel()
                self._task = None

    @property
    def is_idle(self) -> bool:
        """Whether nobody listens."""
        return self._listeners == 0

    async def _next(self, mark: str) -> Growth | None:
        if self._head is None or mark == self._head:
            return None
        for growth in self._kept:
            if growth.before == mark:
                return growth
        found: Growth = await self.ask(lambda: self.tail.catch_up(mark))
        # Whoever has seen more than we looked at waits for us.
        return found if found.after != mark else None

    async def _wait(self, seen: str | None) -> bool:
        """Wait until the head is another one; return False where that took long."""
        async with self._moved:
            try:
                await asyncio.wait_for(self._moved.wait_for(lambda: self._head != seen or self._is_over), QUIET_SECONDS)
            except TimeoutError:
                return False
        return True

    async def _look(self) -> None:
        self._kept.clear()
        while not self._is_over:
            try:
                growth = await self._grown()
            except RefusedError:
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            if growth is not None:
                self._kept.append(growth)
                self._head = growth.after
                await self._tell()
            elif self.tail.is_over:
                self._is_over = True
                await self._tell()
            else:
                await asyncio.sleep(LOOK_SECONDS)

    async def _grown(self) -> Growth | None:
        if self._head is None:
            self._head = await self.ask(self.tail.head)
            await self._tell()
        found: Growth | None = await self.ask(self.tail.grow)
        return found

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()
