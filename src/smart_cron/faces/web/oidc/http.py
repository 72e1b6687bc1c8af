"""JSON from the provider: bounded in size and time, no redirects, and over TLS unless it is on this machine."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

from smart_cron.faces.web.loopback import is_loopback
from smart_cron.faces.web.oidc.errors import ProviderError

MOST_BYTES = 1_000_000
PIECE = 65_536


class Line:
    """Asks; *seconds* bound an answer as a whole, so that one who says a byte a second holds nobody up for long."""

    def __init__(self, *, seconds: float, ca_file: str = "") -> None:
        self._seconds, self._ca_file = seconds, ca_file

    def get(self, url: str) -> Any:
        """Return the JSON at an address. Raise ProviderError."""
        return self._ask("GET", url, None, {})

    def post(self, url: str, fields: dict[str, str], headers: dict[str, str]) -> Any:
        """Send a form and return the JSON that is answered. Raise ProviderError."""
        form = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return self._ask("POST", url, urlencode(fields), form)

    def _ask(self, method: str, url: str, body: str | None, headers: dict[str, str]) -> Any:
        parts = urlsplit(require_safe(url))
        try:
            connection = self._connection(url)
            try:
                target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
                connection.request(method, target, body=body, headers={"Accept": "application/json", **headers})
                status, answer = self._read(connection)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ProviderError(f"{parts.netloc} does not answer: {type(error).__name__}: {error}") from None
        return _understood(parts.netloc, status, answer)

    def _connection(self, url: str) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=self._seconds)
        context = ssl.create_default_context()
        if self._ca_file:
            context.load_verify_locations(cafile=self._ca_file)
        return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=self._seconds, context=context)

    def _read(self, connection: http.client.HTTPConnection) -> tuple[int, bytes]:
        ends_at = time.monotonic() + self._seconds
        response, found = connection.getresponse(), bytearray()
        while piece := response.read1(PIECE):
            found += piece
            if len(found) > MOST_BYTES:
                raise ValueError("the answer is too long")
            if time.monotonic() > ends_at:
                raise TimeoutError("the answer takes too long")
        return response.status, bytes(found)


def require_safe(url: str) -> str:
    """Return the address, which may be asked. Raise ProviderError for one that goes in the clear, or nowhere."""
    parts = urlsplit(url)
    is_plain = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not parts.hostname or not (parts.scheme == "https" or is_plain):
        raise ProviderError(f"'{url[:200]}' is no address with https")
    return url


def _understood(who: str, status: int, answer: bytes) -> Any:
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        raise ProviderError(f"{who} answers {status} and no JSON") from None
    if status != 200 or not isinstance(found, dict):
        # The provider's own word for it; never the rest, in which there may be a token.
        word = found.get("error") if isinstance(found, dict) else ""
        raise ProviderError(f"{who} answers {status} {str(word)[:100]}".rstrip())
    return found
