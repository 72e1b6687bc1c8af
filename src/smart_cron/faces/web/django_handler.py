"""Django's pages, synchronous, on the threads of a desk.

Not Django's own ASGI handler: it starts a thread for each request, and with it a connection to the database. Here a
few threads keep theirs, what waits for them is bounded, and a database that hangs holds up nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core import signals
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.base import BaseHandler
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from smart_cron.faces.web.answers import away
from smart_cron.faces.web.desk import Desk, DeskBusyError
from smart_cron.faces.web.gate import Receive, Scope, Send
from smart_cron.faces.web.waiting import Lookouts, lookout_of

WITHIN_SECONDS = 30.0
_END: bytes | None = None


class PageHandler(BaseHandler):
    """An ASGI application; the body has been read by the gate, so it comes in one piece."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk, self._lookouts = desk, Lookouts(desk)
        self.load_middleware(is_async=False)  # type: ignore[no-untyped-call, unused-ignore]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        message = await receive()
        request = ASGIRequest(_with_prefix(scope), BytesIO(message.get("body", b"")))
        try:
            answer = await self._desk.ask(lambda: self._answer(request), within_seconds=WITHIN_SECONDS)
        except (DeskBusyError, TimeoutError):
            answer = away(request)
        else:
            lookout = lookout_of(request)
            if lookout is not None and isinstance(answer, HttpResponse):
                await self._lookouts.see_through(lookout, answer, receive)
        await self._send(answer, send)

    def _answer(self, request: ASGIRequest) -> HttpResponseBase:
        # What Django does at the beginning of a request, such as giving up connections that have failed.
        signals.request_started.send(sender=self.__class__, scope=request.scope)
        set_script_prefix(f"{request.META['SCRIPT_NAME']}/")
        return self.get_response(request)

    async def _send(self, answer: HttpResponseBase, send: Send) -> None:
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.items()]
        headers += [(b"set-cookie", cookie.OutputString().encode("latin-1")) for cookie in answer.cookies.values()]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        pieces = iter(answer)
        if not answer.streaming:
            await send({"type": "http.response.body", "body": b"".join(pieces)})
        else:
            await self._stream(pieces, send)
        await self._desk.ask(answer.close, within_seconds=WITHIN_SECONDS)

    async def _stream(self, pieces: Iterator[bytes], send: Send) -> None:
        # Files are read where the database is asked: neither may hold up the loop.
        while (piece := await self._desk.ask(lambda: next(pieces, _END), within_seconds=WITHIN_SECONDS)) is not _END:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class DoorHandler(ASGIHandler):
    """Coroutines for what has no session: health, metrics, pings. Nothing but the outermost middleware is theirs."""

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT002  Django's own signature
        """Take the first of the list alone."""
        every = settings.MIDDLEWARE
        settings.MIDDLEWARE = every[:1]
        try:
            super().load_middleware(is_async)  # type: ignore[no-untyped-call, unused-ignore]
        finally:
            settings.MIDDLEWARE = every


def _with_prefix(scope: Scope) -> dict[str, Any]:
    """Return the scope as Django reads it: `path` is the whole one, `root_path` its beginning that is not ours."""
    prefix = settings.FORCE_SCRIPT_NAME or ""
    return {**scope, "root_path": prefix, "path": f"{prefix}{scope['path']}"}
