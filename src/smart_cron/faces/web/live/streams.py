"""`/stream/NAME`: server-sent events for whoever is logged in."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from django.http import QueryDict

from smart_cron.core.errors import SmartCronError
from smart_cron.core.people import Person
from smart_cron.faces.web.desk import DeskBusyError
from smart_cron.faces.web.gate import Receive, RefusedError, Scope, Send
from smart_cron.faces.web.live.channel import Channel, Event
from smart_cron.faces.web.live.pages import LIVE_PAGES, Regions
from smart_cron.faces.web.login_of import login_of
from smart_cron.faces.web.premises import Premises

RENDER_SECONDS = 10.0
# Whoever was logged out, disabled or demoted meanwhile hears no more after this.
JUDGED_EACH_SECONDS = 30.0
HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # nginx would keep events back until it has a page of them.
    (b"x-accel-buffering", b"no"),
)
_Key = tuple[str, str, frozenset[str] | None, str]


class Streams:
    """An ASGI application for every stream."""

    def __init__(self, premises: Premises) -> None:
        self._premises, self._channels = premises, dict[_Key, Channel]()
        # Numbers of events begin anew with each process: those of another one mean nothing.
        self._epoch = secrets.token_hex(4)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client leaves or may not listen any more."""
        if scope["method"] != "GET":
            raise RefusedError(405, (b"allow", b"GET"))
        headers = {bytes(name).decode("latin-1"): bytes(value).decode("latin-1") for name, value in scope["headers"]}
        name = scope["path"].removeprefix("/stream/")
        _require_same_origin(headers)
        person = await self._person(headers)
        page = LIVE_PAGES.get(name)
        if page is None or not person.may(page.see):
            raise RefusedError(404)
        query = QueryDict(scope.get("query_string", b""))
        channel = self._channel(page.regions, name, person, query)
        await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        talk = asyncio.create_task(self._talk(channel, _last_seen(headers, self._epoch), send))
        judge = asyncio.create_task(self._until_denied(headers, person))
        gone = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait({talk, judge, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (talk, judge, gone):
                task.cancel()
            await asyncio.gather(talk, judge, gone, return_exceptions=True)
            self._forget_idle()
        with suppress(OSError):
            await send({"type": "http.response.body", "body": b""})

    async def _talk(self, channel: Channel, last_seen: int, send: Send) -> None:
        # Browsers tell a stream that opened only by its first byte.
        await send({"type": "http.response.body", "body": b"retry: 2000\n\n", "more_body": True})
        async for events in channel.listen(last_seen):
            body = b"".join(written(events, channel.epoch)) or b": still here\n\n"
            await send({"type": "http.response.body", "body": body, "more_body": True})

    async def _person(self, headers: Mapping[str, str]) -> Person:
        cookies = _cookies(headers.get("cookie", ""))
        try:
            person = await self._premises.pages.ask(
                lambda: login_of(cookies, self._premises.config), within_seconds=RENDER_SECONDS
            )
        except (SmartCronError, TimeoutError):
            raise RefusedError(503, (b"retry-after", b"5")) from None
        if person is None:
            raise RefusedError(401)
        return person

    async def _until_denied(self, headers: Mapping[str, str], person: Person) -> None:
        while True:
            await asyncio.sleep(JUDGED_EACH_SECONDS)
            try:
                if await self._person(headers) != person:
                    return
            except RefusedError as refused:
                if refused.status == 401:
                    return

    def _channel(self, regions: Regions, name: str, person: Person, query: QueryDict) -> Channel:
        key = (name, str(person.role), person.groups, query.urlencode())
        if key not in self._channels:

            async def render() -> Mapping[str, str]:
                try:
                    return await self._premises.pages.ask(
                        lambda: regions(self._premises, person, query), within_seconds=RENDER_SECONDS
                    )
                except (SmartCronError, DeskBusyError, TimeoutError):
                    return {"away": "<!-- the database is away -->away"}
                except Exception as error:  # noqa: BLE001  a fault in one page's regions must not end its stream
                    self._premises.log.error("Stream failed", page=name, reason=f"{type(error).__name__}: {error}")
                    return {}

            self._channels[key] = Channel(render, self._epoch)
        return self._channels[key]

    def _forget_idle(self) -> None:
        for key in [key for key, channel in self._channels.items() if channel.is_idle]:
            del self._channels[key]


def written(events: Iterable[Event], epoch: str) -> list[bytes]:
    """Return events as the protocol has them; each line of the HTML is a `data` line, so none can end an event."""
    return [f"id: {epoch}-{event.number}\nevent: {event.region}\n{_data(event.html)}\n\n".encode() for event in events]


def _data(html: str) -> str:
    return "\n".join(f"data: {line}" for line in html.splitlines()) or "data: "


def _last_seen(headers: Mapping[str, str], epoch: str) -> int:
    theirs, _, number = headers.get("last-event-id", "").partition("-")
    return int(number) if theirs == epoch and number.isdecimal() and len(number) < 19 else 0


def _require_same_origin(headers: Mapping[str, str]) -> None:
    """A page elsewhere may open a stream with our cookies; browsers say so (SECURITY 19)."""
    origin = headers.get("origin")
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise RefusedError(403)
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise RefusedError(403)


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
