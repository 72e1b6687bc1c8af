"""Answers that wait for the end of something. Nobody's thread is held meanwhile: a few who wait would else be all.

A view answers with how things stand and says by `look_out` what else to look for. Its handler sleeps in a coroutine,
and has a clerk look briefly each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse

from smart_cron.core.errors import SmartCronError
from smart_cron.faces.web.desk import Desk
from smart_cron.faces.web.gate import Receive, until_gone
from smart_cron.faces.web.places import Places

# So many of one user's requests wait at once, and so many of all users' together: fewer than the gate lets in, and few
# enough that looking for them leaves the clerks to others.
MOST_OF_ONE, MOST = 10, 100
# Whoever waits long need not know at once.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, SLOWER = 0.1, 1.0, 1.3
LOOK_SECONDS = 10.0
_MARK = "smart_cron_lookout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookout:
    """Of whom, for how long, and for what: *look* returns the answer that is to be given, or None as long as not."""

    who: str
    seconds: float
    look: Callable[[], HttpResponse | None]


def look_out(request: HttpRequest, lookout: Lookout) -> None:
    """Have the answer to this request wait."""
    setattr(request, _MARK, lookout)


def lookout_of(request: HttpRequest) -> Lookout | None:
    """Return what the answer waits for, where it does."""
    found: Lookout | None = getattr(request, _MARK, None)
    return found


class Lookouts:
    """Everybody who waits in this process. Used by one event loop."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._places = Places(of_one=MOST_OF_ONE, of_all=MOST)

    async def see_through(self, lookout: Lookout, answer: HttpResponse, receive: Receive) -> None:
        """Return once the answer has what it waits for, the time is over, the client left, or too many wait already."""
        with self._places.taken(lookout.who) as has_place:
            if not has_place:
                return
            gone = asyncio.create_task(until_gone(receive))
            try:
                await self._look(lookout, answer, gone)
            finally:
                gone.cancel()
                await asyncio.gather(gone, return_exceptions=True)

    async def _look(self, lookout: Lookout, answer: HttpResponse, gone: asyncio.Task[None]) -> None:
        now, pause = asyncio.get_running_loop().time, FIRST_PAUSE_SECONDS
        ends_at = now() + lookout.seconds
        while (left := ends_at - now()) > 0:
            done, _ = await asyncio.wait({gone}, timeout=min(pause, left))
            if done:
                return
            try:
                found = await self._desk.ask(lookout.look, within_seconds=LOOK_SECONDS)
            except (SmartCronError, TimeoutError):
                # The database is away, or too much waits for it. What was asked for is done: it may come back in time.
                found = None
            if found is not None:
                _become(answer, found)
                return
            pause = min(pause * SLOWER, LONGEST_PAUSE_SECONDS)


def _become(answer: HttpResponse, found: HttpResponse) -> None:
    """Say what was found, beside what Django's middleware said for the answer as it stood."""
    answer.status_code, answer.content = found.status_code, found.content
    # It may have been packed.
    for name in ("Content-Encoding", "Content-Length"):
        answer.headers.pop(name, None)
    for name, value in found.items():
        answer[name] = value
