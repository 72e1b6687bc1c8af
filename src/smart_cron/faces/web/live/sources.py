"""What streams are made of: regions of pages, and what grows at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol, TypeVar
from urllib.parse import urlencode

from django.http import QueryDict

from smart_cron.core.errors import SmartCronError
from smart_cron.core.people import Person
from smart_cron.faces.web.desk import Desk, DeskBusyError
from smart_cron.faces.web.gate import RefusedError
from smart_cron.faces.web.live.channel import Channel, Event
from smart_cron.faces.web.live.feed import Feed, Growth, Tail
from smart_cron.faces.web.live.lookers import Lookers
from smart_cron.faces.web.live.pages import LIVE_PAGES, LivePage
from smart_cron.faces.web.premises import Premises

RENDER_SECONDS = 10.0
STILL_HERE = b": still here\n\n"
_T = TypeVar("_T")
_PageKey = tuple[str, str, frozenset[str] | None, str]


class Source(Protocol):
    """One kind of stream, shared by all who listen to the same."""

    async def open(self, name: str, person: Person, query: QueryDict, last_seen: str) -> AsyncIterator[bytes]:
        """Return the events after *last_seen* as they are sent. Raise RefusedError where they are none of theirs."""

    def forget_idle(self) -> None:
        """Let go of what nobody listens to."""


class PageSource:
    """Regions of pages, by the page's name."""

    def __init__(self, premises: Premises, lookers: Lookers, epoch: str) -> None:
        # Numbers of events begin anew with each process: those of another one mean nothing.
        self._premises, self._lookers, self._epoch = premises, lookers, epoch
        self._channels: dict[_PageKey, Channel] = {}

    async def open(self, name: str, person: Person, query: QueryDict, last_seen: str) -> AsyncIterator[bytes]:
        """Return the changes of a page's regions."""
        page = LIVE_PAGES.get(name)
        if page is None or not person.may(page.see):
            raise RefusedError(404)
        query = _known(page, query)
        if page.admits is not None and not await self._asked(lambda: page.admits(self._premises, person, query)):  # type: ignore[misc]
            raise RefusedError(404)
        channel = self._channel(page, name, person, query)
        return self._written(channel, _number_after(last_seen, self._epoch))

    async def _written(self, channel: Channel, last_seen: int) -> AsyncIterator[bytes]:
        async for events in channel.listen(last_seen):
            yield b"".join(written(event, channel.epoch) for event in events) or STILL_HERE

    async def _asked(self, question: Callable[[], _T]) -> _T:
        return await asked(self._premises.pages, question)

    def _channel(self, page: LivePage, name: str, person: Person, query: QueryDict) -> Channel:
        key = (name, str(person.role), person.groups, query.urlencode())
        if key not in self._channels:

            async def render() -> Mapping[str, str]:
                try:
                    return await self._lookers.ask(
                        lambda: page.regions(self._premises, person, query), within_seconds=RENDER_SECONDS
                    )
                except (SmartCronError, DeskBusyError, TimeoutError):
                    return {"away": "<!-- the database is away -->away"}
                except Exception as error:  # noqa: BLE001  a fault in one page's regions must not end its stream
                    self._premises.log.error("Stream failed", page=name, reason=f"{type(error).__name__}: {error}")
                    return {}

            self._channels[key] = Channel(render, self._epoch)
        return self._channels[key]

    def forget_idle(self) -> None:
        """Let go of what nobody listens to."""
        for key in [key for key, channel in self._channels.items() if channel.is_idle]:
            del self._channels[key]


class TailSource:
    """What grows at its end. *find* returns the key of what is asked for, and how to make its tail, or None.

    It is asked from a desk, for each listener anew: that is where it is checked whose it is.
    """

    def __init__(
        self,
        premises: Premises,
        lookers: Lookers,
        find: Callable[[Premises, Person, str, QueryDict], tuple[object, Callable[[], Tail]] | None],
    ) -> None:
        self._premises, self._lookers, self._find = premises, lookers, find
        self._feeds: dict[object, Feed] = {}

    async def open(self, name: str, person: Person, query: QueryDict, last_seen: str) -> AsyncIterator[bytes]:
        """Return what comes after the mark that was seen last, or that the page's own query names."""
        found = await asked(self._premises.pages, lambda: self._find(self._premises, person, name, query))
        if found is None:
            raise RefusedError(404)
        key, make = found
        if key not in self._feeds:
            self._feeds[key] = Feed(make(), lambda question: asked(self._lookers, question))
        return self._written(self._feeds[key], last_seen or query.get("at", ""))

    async def _written(self, feed: Feed, mark: str) -> AsyncIterator[bytes]:
        async for growth in feed.listen(mark):
            yield STILL_HERE if growth is None else written_growth(growth)
        yield b"event: over\ndata: over\n\n"

    def forget_idle(self) -> None:
        """Let go of what nobody listens to."""
        for key in [key for key, feed in self._feeds.items() if feed.is_idle]:
            del self._feeds[key]


async def asked(desk: Desk | Lookers, question: Callable[[], _T]) -> _T:
    """Return a desk's answer. Raise RefusedError where the database is away or too much waits."""
    try:
        return await desk.ask(question, within_seconds=RENDER_SECONDS)
    except (SmartCronError, TimeoutError):
        raise RefusedError(503, (b"retry-after", b"5")) from None


def _known(page: LivePage, query: QueryDict) -> QueryDict:
    """Return the fields that say something, in the page's order. Raise RefusedError for others, or for one twice."""
    if any(name not in page.fields or len(values) > 1 for name, values in query.lists()):
        raise RefusedError(400)
    return QueryDict(urlencode([(name, query[name]) for name in page.fields if query.get(name)]))


def written(event: Event, epoch: str) -> bytes:
    """Return an event as the protocol has it; each line of the HTML is a `data` line, so none can end the event."""
    return f"id: {epoch}-{event.number}\nevent: {event.region}\n{_data(event.html)}\n\n".encode()


def written_growth(growth: Growth) -> bytes:
    """Return what came as an event; its id is where to go on."""
    return f"id: {growth.after}\nevent: grown\n{_data(growth.html)}\n\n".encode()


def _data(html: str) -> str:
    return "\n".join(f"data: {line}" for line in html.splitlines()) or "data: "


def _number_after(last_seen: str, epoch: str) -> int:
    theirs, _, number = last_seen.partition("-")
    return int(number) if theirs == epoch and number.isdecimal() and len(number) < 19 else 0
