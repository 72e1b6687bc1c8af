"""Places for answers that wait: bounded for each user and for all, and given back by clients that leave."""

from __future__ import annotations

import asyncio
import threading
from typing import cast

from django.http import HttpResponse

from smart_cron.core.errors import DatabaseUnavailableError
from smart_cron.faces.web.desk import Desk
from smart_cron.faces.web.gate import Message
from smart_cron.faces.web.waiting import MOST, MOST_OF_ONE, Lookout, Lookouts

LONG = 60.0
# Nothing is found here, so that nothing is put into it.
ANSWER = cast("HttpResponse", object())


class Client:
    """Waits until told to leave; `was_looked_for` once a clerk looked."""

    def __init__(self, lookouts: Lookouts, who: str) -> None:
        self.leaves, self.was_looked_for = asyncio.Event(), threading.Event()
        lookout = Lookout(who=who, seconds=LONG, look=self._look)
        self.waits = asyncio.create_task(lookouts.see_through(lookout, ANSWER, self._receive))

    async def leave(self) -> None:
        self.leaves.set()
        await self.waits

    async def has_place(self) -> bool:
        """Whether it is looked for, and not sent away at once."""
        looked = asyncio.create_task(asyncio.to_thread(self.was_looked_for.wait, LONG))
        await asyncio.wait({looked, self.waits}, return_when=asyncio.FIRST_COMPLETED)
        self.was_looked_for.set()
        await looked
        return not self.waits.done()

    def _look(self) -> None:
        self.was_looked_for.set()

    async def _receive(self) -> Message:
        await self.leaves.wait()
        return {"type": "http.disconnect"}


def test_one_who_leaves_gives_the_place_to_the_next() -> None:
    async def ask() -> list[bool]:
        lookouts = Lookouts(Desk("t", clerks=2, most_waiting=200))
        clients = [Client(lookouts, "ann") for _ in range(MOST_OF_ONE)]
        found = [await clients[-1].has_place(), await Client(lookouts, "ann").has_place()]
        await clients[0].leave()
        clients[0] = Client(lookouts, "ann")
        found += [await clients[0].has_place(), await Client(lookouts, "ann").has_place()]
        for client in clients:
            await client.leave()
        return found

    assert asyncio.run(ask()) == [True, False, True, False]


def test_all_together_have_a_bound_too() -> None:
    async def ask() -> list[bool]:
        lookouts = Lookouts(Desk("t", clerks=2, most_waiting=200))
        clients = [Client(lookouts, f"user{number}") for number in range(MOST)]
        found = [await clients[-1].has_place(), await Client(lookouts, "one more").has_place()]
        for client in clients:
            await client.leave()
        return found

    assert asyncio.run(ask()) == [True, False]


def test_a_database_that_is_away_ends_no_wait() -> None:
    looks = []
    again = threading.Event()

    def look() -> None:
        looks.append(1)
        if len(looks) > 1:
            again.set()
        raise DatabaseUnavailableError("gone")

    async def ask() -> bool:
        lookouts, leaves = Lookouts(Desk("t", clerks=1, most_waiting=4)), asyncio.Event()

        async def receive() -> Message:
            await leaves.wait()
            return {"type": "http.disconnect"}

        waits = asyncio.create_task(lookouts.see_through(Lookout(who="ann", seconds=LONG, look=look), ANSWER, receive))
        await asyncio.to_thread(again.wait, LONG)
        is_over = waits.done()
        leaves.set()
        await waits
        return is_over

    assert asyncio.run(ask()) is False
