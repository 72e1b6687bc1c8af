"""Where coroutines leave work that may take long: a few threads, each with a connection to the database of its own.

Not the event loop's executor: these threads are as many as the database should be asked at once, what waits is
bounded, and they end with the process although a database hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from smart_cron.core.errors import SmartCronError

_T = TypeVar("_T")
_Question = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class DeskBusyError(SmartCronError):
    """Too much waits already."""


class Desk:
    """Threads that answer questions in the order in which they come."""

    def __init__(self, name: str, *, clerks: int, most_waiting: int) -> None:
        self._questions: queue.Queue[_Question] = queue.Queue(most_waiting)
        for number in range(clerks):
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True).start()

    async def ask(self, question: Callable[[], _T], *, within_seconds: float) -> _T:
        """Return what *question* returns in one of the threads, or raise what it raises.

        Raise DeskBusyError where too much waits, TimeoutError where the answer takes too long; the thread then goes on
        alone.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()
        try:
            self._questions.put_nowait((question, loop, future))
        except queue.Full:
            raise DeskBusyError("too many requests wait for the database.", remedy="Try again later.") from None
        return await asyncio.wait_for(future, within_seconds)

    def _work(self) -> None:
        while True:
            question, loop, future = self._questions.get()
            # Whoever asked has given up: a database that hung gets no heap of old questions when it is back.
            if not future.cancelled():
                self._answer(question, loop, future)

    def _answer(
        self, question: Callable[[], Any], loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]
    ) -> None:
        try:
            value, error = question(), None
        except Exception as caught:  # noqa: BLE001  raised again where the question was asked
            value, error = None, caught
        # A loop that has ended wants no answer.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_hand_over, future, value, error)


def _hand_over(future: asyncio.Future[Any], value: object, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
