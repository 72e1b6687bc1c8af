"""Clients at other addresses: the loopback has sixteen million of them."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from tests.web.conftest import ANSWER_SECONDS, Answer, Dashboard
from tests.web.visitors import Visitor


@dataclass
class From(Dashboard):
    """A dashboard as it is reached from one address."""

    source: str = "127.0.0.1"

    def ask(
        self, path: str, method: str = "GET", *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=ANSWER_SECONDS, source_address=(self.source, 0)
        )
        with closing(connection):
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            cookies = tuple(value for name, value in response.getheaders() if name.lower() == "set-cookie")
            return Answer(response.status, found, response.read(), cookies)


def visitor_from(dashboard: Dashboard, address: str) -> Visitor:
    return Visitor(From(dashboard.house, dashboard.process, dashboard.port, source=address))


def asking(dashboard: Dashboard, address: str = "127.0.0.1") -> Visitor:
    """Return somebody there who has the form of the login before them."""
    visitor = visitor_from(dashboard, address)
    visitor.get("/login")
    return visitor
