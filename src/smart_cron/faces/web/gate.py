"""What every request passes before Django and every answer after it: bounds of size and time, and plain headers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from smart_cron.faces.web.premises import SCOPE_KEY, Premises

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
LONGEST_PATH = 2000
LONGEST_HEAD_BYTES = 16_384
MOST_BODY_BYTES = 1_000_000
# The end of what a job says last, which is where its error stands.
PING_BODY_BYTES = 10_000
BODY_SECONDS = 10.0
# In work, bodies that are still being read not among them: a slow client is nobody's problem but its own.
MOST_IN_WORK = 256
MOST_STREAMS = 1000

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")


class RefusedError(Exception):
    """A request that goes no further; `status` says why."""

    def __init__(self, status: int, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(status)
        self.status, self.headers = status, headers


class GoneError(Exception):
    """The client left while it was still sending."""


class Gate:
    """An ASGI application around Django's."""

    def __init__(self, inner: Application, premises: Premises) -> None:
        self._inner, self._premises = inner, premises
        self._open = {False: 0, True: 0}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; nothing that goes wrong here reaches the server, or the client in words."""
        if scope["type"] != "http":
            return
        dressed = _Dressed(send, is_secure=scope.get("scheme") == "https")
        try:
            _require_sound(scope)
            body = await _read(scope, receive)
            await self._pass_on({**scope, SCOPE_KEY: self._premises}, _handed(body, receive), dressed)
        except RefusedError as refused:
            await _say(dressed, refused)
        except (GoneError, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001  the alternative is the server's own page
            self._premises.log.error("Request failed", reason=f"{type(error).__name__}: {error}")
            if not dressed.has_begun:
                await _say(dressed, RefusedError(500))

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A stream stands open as long as somebody looks, and is no work: it must not keep others out.
        kind = scope["path"].startswith("/stream/")
        if self._open[kind] >= (MOST_STREAMS if kind else MOST_IN_WORK):
            raise RefusedError(503, (b"retry-after", b"1"))
        self._open[kind] += 1
        try:
            await self._inner(scope, receive, send)
        finally:
            self._open[kind] -= 1


class _Dressed:
    """Sends an answer on, with the headers that it has none of."""

    def __init__(self, send: Send, *, is_secure: bool) -> None:
        self._send, self.has_begun = send, False
        self._headers = (*HEADERS, STRICT_TRANSPORT) if is_secure else HEADERS

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            own = list(message.get("headers", ()))
            known = {bytes(name).lower() for name, _ in own}
            message = {**message, "headers": own + [each for each in self._headers if each[0] not in known]}
        await self._send(message)


def _require_sound(scope: Scope) -> None:
    if scope["method"] not in METHODS:
        raise RefusedError(405, (b"allow", b"GET, HEAD, POST"))
    if len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"") > LONGEST_PATH:
        raise RefusedError(414)
    # The server bounds what it has to wait for; what comes at once is counted here.
    if sum(len(name) + len(value) for name, value in scope["headers"]) > LONGEST_HEAD_BYTES:
        raise RefusedError(431, (b"connection", b"close"))
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if not length.isdigit() or int(length) > MOST_BODY_BYTES:
        raise RefusedError(413)


async def _read(scope: Scope, receive: Receive) -> bytes:
    """Return the body, of a ping only its end. Whoever sends it a byte a second is sent away."""
    most = PING_BODY_BYTES if scope["path"].startswith("/ping/") else MOST_BODY_BYTES
    try:
        return await asyncio.wait_for(_gather(receive, keep=most), BODY_SECONDS)
    except TimeoutError:
        raise RefusedError(408, (b"connection", b"close")) from None


async def _gather(receive: Receive, *, keep: int) -> bytes:
    body, size = bytearray(), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > MOST_BODY_BYTES:
            raise RefusedError(413, (b"connection", b"close"))
        body += piece
        # Not after each piece: a client that sends single bytes would have us copy all the time.
        if len(body) > 2 * keep:
            del body[:-keep]
        if not message.get("more_body", False):
            return bytes(body[-keep:])


def _handed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that hands the body over whole, and then what the server says."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def hand_over() -> Message:
        return waiting.pop() if waiting else await receive()

    return hand_over


async def until_gone(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


WORDS = {
    400: b"Bad request.\n",
    401: b"A login is needed.\n",
    403: b"Forbidden.\n",
    404: b"Not found.\n",
    405: b"This method is not allowed here.\n",
    408: b"The request took too long.\n",
    413: b"The request is too large.\n",
    414: b"The address is too long.\n",
    429: b"Too many of these are open, close some.\n",
    431: b"The headers are too long.\n",
    500: b"Something went wrong here.\n",
    503: b"Too busy, try again.\n",
}


async def _say(send: Send, refused: RefusedError) -> None:
    words = WORDS[refused.status]
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(words)).encode()),
        *refused.headers,
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": words})
