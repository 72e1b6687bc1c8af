"""A real HTTP server on loopback that writes down what it was asked."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    body: bytes


@dataclass
class Sink:
    """Answers with `status`; while `gate` is closed it answers nobody."""

    port: int = 0
    status: int = 200
    asked: queue.Queue[Asked] = field(default_factory=queue.Queue)
    gate: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ping/abc"

    def next(self) -> Asked:
        return self.asked.get(timeout=WAIT_SECONDS)


@pytest.fixture
def sink() -> Iterator[Sink]:
    found = Sink()
    found.gate.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.asked.put(Asked(self.command, self.path, body))
            found.gate.wait(WAIT_SECONDS)
            self.send_response(found.status)
            self.end_headers()

        do_GET = do_POST  # noqa: N815 — the base class's names

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield found
    found.gate.set()
    server.shutdown()
    server.server_close()
    thread.join()
