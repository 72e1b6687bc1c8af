"""Which part answers an address: files, streams, doors without a session, pages."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import allauth.mfa
import ninja
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from servestatic import ServeStaticASGI

from smart_cron.faces.web.django_handler import DoorHandler, PageHandler
from smart_cron.faces.web.gate import Application, Receive, RefusedError, Scope, Send
from smart_cron.faces.web.live.streams import Streams
from smart_cron.faces.web.premises import Premises

DOORS = ("/healthz", "/readyz", "/metrics", "/ping/")
STATIC = Path(__file__).parent / "static"
# Files change with an upgrade alone; a browser asks again after this.
FILE_SECONDS = 3600


class Routing:
    """An ASGI application that hands each request to another one."""

    def __init__(self, premises: Premises) -> None:
        self._doors: Application = DoorHandler()  # type: ignore[assignment, no-untyped-call, unused-ignore]
        self._pages = PageHandler(premises.pages)
        self._streams = Streams(premises)
        self._files: Application = _files(self._pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        inner = self._of(scope["path"])
        if inner in (self._files, self._streams):
            # Pages and doors have Django's middleware for it.
            _require_own_host(scope)
        await inner(scope, receive, send)

    def _of(self, path: str) -> Application:
        if path.startswith(DOORS):
            return self._doors
        if path.startswith("/static/"):
            return self._files
        return self._streams if path.startswith("/stream/") else self._pages


def _require_own_host(scope: Scope) -> None:
    """Raise RefusedError for a name that is not ours, as Django judges it: a page there could read our answers."""
    try:
        ASGIRequest(dict(scope), BytesIO()).get_host()
    except DisallowedHost:
        raise RefusedError(400) from None


def _files(otherwise: Application) -> ServeStaticASGI:
    files = ServeStaticASGI(
        otherwise,
        max_age=FILE_SECONDS,
        add_headers_function=_add_headers,
        # Pages elsewhere have no business with them (SECURITY 19).
        allow_all_origins=False,
    )
    files.add_files(str(STATIC), prefix="static/")
    for package, folder in ((allauth.mfa, "mfa"), (ninja, "ninja")):
        files.add_files(str(Path(str(package.__file__)).parent / "static" / folder), prefix=f"static/{folder}/")
    return files


def _add_headers(headers: object, path: str, url: str) -> None:
    del path, url
    headers["Cross-Origin-Resource-Policy"] = "same-origin"  # type: ignore[index]
