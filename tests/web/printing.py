"""Runs that printed something, made by the real task runner."""

from __future__ import annotations

import json
import re
import shlex
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.web.conftest import Answer, Dashboard
from tests.web.visitors import Visitor

# What an attacker, or a careless program, prints.
HOSTILE = (
    b"<script>alert(1)</script><img src=x onerror=alert(2)>\n"
    b"\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2Jcleared \x1b]8;;javascript:alert(3)\x1b\\link\x1b]8;;\x1b\\\n"
    b"data: forged\n\nevent: facts\nid: 9-9\ndata: <b>forged</b>\n\n"
    b"nul \0 bell \x07 invalid \xff\xfe half \xc3\n"
    b"\xe2\x80\xaeright to left \xe2\x80\xa8separator \xf0\x9f\x98\x80\n"
    b"=cmd|'/c calc'!A1\r\n"
    b'</code></div></template></script>" onmouseover="alert(4)\n'
)


def printed(dashboard: Dashboard, name: str, data: bytes, *options: str, exit_code: int = 0) -> int:
    """Let a task of this name print this to standard output, and return the number of its run."""
    path = dashboard.house.home / f"{name}.bin"
    path.write_bytes(data)
    return ran(dashboard, name, f"cat {shlex.quote(str(path))}; exit {exit_code}", *options)


def ran(dashboard: Dashboard, name: str, command: str, *options: str) -> int:
    """Run a command as a task, to its end."""
    dashboard.house.add(name, command, *options)
    dashboard.house.call("task", "run", name, "--wait")
    return last_run(dashboard, name)


def last_run(dashboard: Dashboard, name: str) -> int:
    rows = json.loads(dashboard.house.sure("run", "list", "--task", name, "-n", "1", "--json"))
    return int(rows[0]["id"])


def began(dashboard: Dashboard, name: str) -> int:
    """Ask for a run that the master starts, and return its number once it runs."""
    dashboard.house.sure("task", "run", name)
    ends_at = time.monotonic() + 60
    while time.monotonic() < ends_at:
        rows = json.loads(dashboard.house.sure("run", "list", "--task", name, "-n", "1", "--json"))
        if rows and rows[0]["status"] == "running":
            return int(rows[0]["id"])
    raise AssertionError(f"{name} does not run")


@contextmanager
def listening(dashboard: Dashboard, visitor: Visitor, path: str, last_seen: str = "") -> Iterator[Events]:
    """Open a stream as a browser does."""
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    with closing(socket.create_connection(("127.0.0.1", dashboard.port), timeout=60)) as connection:
        resumed = f"Last-Event-ID: {last_seen}\r\n" if last_seen else ""
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{dashboard.port}\r\nCookie: {cookies}\r\n{resumed}\r\n".encode()
        )
        yield Events(connection)


class Events:
    """The events of a stream, as they come."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        while self._file.readline().strip():
            pass

    def __iter__(self) -> Iterator[dict[str, str]]:
        """Yield events; comments are passed over."""
        rest = b""
        while size := int(self._file.readline() or b"0", 16):
            rest += self._file.read(size)
            self._file.readline()
            while b"\n\n" in rest:
                block, _, rest = rest.partition(b"\n\n")
                if event := _event(block.decode()):
                    yield event

    def until(self, words: str) -> list[dict[str, str]]:
        """Return events up to the one with these words in it; of `over`, up to the end."""
        seen = []
        for event in self:
            seen.append(event)
            if words == event.get("event") or (words != "over" and words in event.get("data", "")):
                return seen
        raise AssertionError(f"the stream ended without {words}: {seen}")


def _event(block: str) -> dict[str, str]:
    event: dict[str, str] = {}
    for line in block.split("\n"):
        name, colon, value = line.partition(": ")
        if colon and name in ("id", "event", "data"):
            event[name] = f"{event[name]}\n{value}" if name in event else value
    return event


def lines(answer: Answer | str) -> list[str]:
    """Return the printed lines of a page or a piece, markup and all that is within them."""
    html = answer if isinstance(answer, str) else answer.body.decode()
    return re.findall(r'<code class="ox">(.*?)</code>', html)
