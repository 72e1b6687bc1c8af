"""Those of the pages' clerks who look for streams: never all of them, however much is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from smart_cron.faces.web.desk import Desk

# Of six: a page that somebody asks for finds a clerk, and shares Python's lock with few.
AT_ONCE = 3
_T = TypeVar("_T")


class Lookers:
    """A desk that takes so many questions to another one at once; what is beyond them waits here."""

    def __init__(self, desk: Desk, *, at_once: int = AT_ONCE) -> None:
        self._desk, self._turns = desk, asyncio.Semaphore(at_once)

    async def ask(self, question: Callable[[], _T], *, within_seconds: float) -> _T:
        """Return what *question* returns, as the desk does; the time counts from its turn on."""
        async with self._turns:
            return await self._desk.ask(question, within_seconds=within_seconds)
