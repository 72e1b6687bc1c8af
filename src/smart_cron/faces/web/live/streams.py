"""`/stream/NAME`: server-sent events for whoever is logged in."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from django.core.exceptions import TooManyFieldsSent
from django.http import QueryDict

from smart_cron.core.errors import SmartCronError
from smart_cron.core.people import Person
from smart_cron.faces.web.gate import MOST_STREAMS, Receive, RefusedError, Scope, Send, until_gone
from smart_cron.faces.web.limits import user_key
from smart_cron.faces.web.live.lookers import Lookers
from smart_cron.faces.web.live.sources import RENDER_SECONDS, PageSource, Source, TailSource
from smart_cron.faces.web.log_tail import find_log
from smart_cron.faces.web.login_of import login_of
from smart_cron.faces.web.output_tail import find_output
from smart_cron.faces.web.places import Places
from smart_cron.faces.web.premises import Premises

# Whoever was logged out, disabled or demoted meanwhile hears no more after this.
JUDGED_EACH_SECONDS = 30.0
# When it is worth asking again whether a place is free.
AGAIN_SECONDS = 10
HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # nginx would keep events back until it has a page of them.
    (b"x-accel-buffering", b"no"),
)


class Streams:
    """An ASGI application for every stream."""

    def __init__(self, premises: Premises) -> None:
        self._premises, lookers = premises, Lookers(premises.pages)
        self._places = Places(of_one=premises.config.web.streams_per_user, of_all=MOST_STREAMS)
        self._pages: Source = PageSource(premises, lookers, secrets.token_hex(4))
        # By the first part of their names; everything else is a page.
        self._tails: Mapping[str, Source] = {
            "output": TailSource(premises, lookers, find_output),
            "log": TailSource(premises, lookers, find_log),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client leaves or may not listen any more."""
        if scope["method"] != "GET":
            raise RefusedError(405, (b"allow", b"GET"))
        headers = {bytes(name).decode("latin-1"): bytes(value).decode("latin-1") for name, value in scope["headers"]}
        name = scope["path"].removeprefix("/stream/")
        _require_same_origin(headers)
        person = await self._person(headers)
        with self._places.taken(user_key(person.id)) as has_place:
            if not has_place:
                raise RefusedError(429, (b"retry-after", b"%d" % AGAIN_SECONDS))
            query = _query(scope)
            source = self._tails.get(name.partition("/")[0], self._pages)
            events = await source.open(name, person, query, headers.get("last-event-id", ""))
            try:
                await self._follow(events, headers, person, receive, send)
            finally:
                source.forget_idle()

    async def _follow(
        self, events: AsyncIterator[bytes], headers: Mapping[str, str], person: Person, receive: Receive, send: Send
    ) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        talk = asyncio.create_task(self._talk(events, send))
        judge = asyncio.create_task(self._until_denied(headers, person))
        gone = asyncio.create_task(until_gone(receive))
        try:
            await asyncio.wait({talk, judge, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (talk, judge, gone):
                task.cancel()
            await asyncio.gather(talk, judge, gone, return_exceptions=True)
        with suppress(OSError):
            await send({"type": "http.response.body", "body": b""})

    async def _talk(self, events: AsyncIterator[bytes], send: Send) -> None:
        # Browsers tell a stream that opened only by its first byte.
        await send({"type": "http.response.body", "body": b"retry: 2000\n\n", "more_body": True})
        try:
            async for body in events:
                await send({"type": "http.response.body", "body": body, "more_body": True})
        finally:
            # At once, and not when the collector comes by: what nobody listens to is let go of.
            await events.aclose()  # type: ignore[attr-defined]

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


def _require_same_origin(headers: Mapping[str, str]) -> None:
    """A page elsewhere may open a stream with our cookies; browsers say so (SECURITY 19)."""
    origin = headers.get("origin")
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise RefusedError(403)
    if origin is not None and not _is_of(origin, headers.get("host")):
        raise RefusedError(403)


def _is_of(origin: str, host: str | None) -> bool:
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        # Such as `http://[`, which no browser sends.
        return False


def _query(scope: Scope) -> QueryDict:
    try:
        return QueryDict(scope.get("query_string", b""))
    except TooManyFieldsSent:
        raise RefusedError(400) from None


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}
