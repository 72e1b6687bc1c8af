"""JSON over HTTP to one server, with a key that never leaves for another."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from smart_cron.core.errors import SmartCronError
from smart_cron.faces.web.loopback import is_loopback

WITHIN_SECONDS = 30.0
MOST_BYTES = 50_000_000


class Api:
    """The API of one dashboard. Raises SmartCronError with what the server says, or why nobody answers."""

    def __init__(self, url: str, key: str) -> None:
        self._server, self._key = _server(url), key

    def get(self, path: str, **query: Any) -> Any:
        """Ask."""
        return self._ask("GET", path, query=query)

    def lines(self, path: str, **query: Any) -> Iterator[str]:
        """Yield the lines of an answer of any length, as they come."""
        target = self._target(path, query)
        connection = self._connection()
        try:
            connection.request("GET", target, headers=self._headers())
            response = connection.getresponse()
            if response.status >= 400:
                _understood(response.status, response.read(MOST_BYTES))
            while line := response.readline():
                yield line.decode("utf-8", "replace").rstrip("\n")
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(error) from None
        finally:
            connection.close()

    def post(self, path: str, body: object = None) -> Any:
        """Have something done."""
        return self._ask("POST", path, body=body)

    def patch(self, path: str, body: object) -> Any:
        """Change something."""
        return self._ask("PATCH", path, body=body)

    def delete(self, path: str) -> Any:
        """Delete something."""
        return self._ask("DELETE", path)

    def _ask(self, method: str, path: str, *, query: dict[str, Any] | None = None, body: object = None) -> Any:
        target, headers = self._target(path, query or {}), self._headers()
        content = None if body is None else json.dumps(body, default=_plain)
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            status, answer = self._send(method, target, content, headers)
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(error) from None
        return _understood(status, answer)

    def _target(self, path: str, query: Mapping[str, Any]) -> str:
        given = {name: _written(value) for name, value in query.items() if value is not None}
        asked = urlencode(given, doseq=True)
        return f"{self._server.path.rstrip('/')}/api/v1{path}" + (f"?{asked}" if asked else "")

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}", "Accept": "application/json"}

    def _silent(self, error: Exception) -> SmartCronError:
        return SmartCronError(
            f"{self._server.netloc} does not answer: {error}.", remedy="Does 'smart-cron dashboard' run there?"
        )

    def _send(self, method: str, target: str, content: str | None, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = self._connection()
        try:
            connection.request(method, target, body=content, headers=headers)
            response = connection.getresponse()
            return response.status, response.read(MOST_BYTES)
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._server.hostname or "", self._server.port
        if self._server.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=WITHIN_SECONDS)
        return http.client.HTTPSConnection(host, port, timeout=WITHIN_SECONDS, context=ssl.create_default_context())


def _server(url: str) -> SplitResult:
    parts = urlsplit(url)
    try:
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise SmartCronError(f"'{url}' is no address of a dashboard.", remedy="Write https://cron.example.org[/path].")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SmartCronError(
            f"the key could be read on the way to {parts.hostname}.", remedy="Write https:// in place of http://."
        )
    return parts


def _understood(status: int, answer: bytes) -> Any:
    try:
        found = json.loads(answer)
    except ValueError:
        raise SmartCronError(
            f"what answers there is no dashboard of ours (status {status}).",
            remedy="Check --server, its path included.",
        ) from None
    if status >= 400:
        detail = found.get("detail") if isinstance(found, dict) else None
        raise SmartCronError(str(detail or f"the server refuses it (status {status})"))
    return found


def _written(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _plain(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat()


def instant(text: str | None) -> datetime | None:
    """Return an instant as the API writes it."""
    return None if text is None else datetime.fromisoformat(text)
