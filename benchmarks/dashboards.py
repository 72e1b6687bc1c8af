"""A real dashboard for a home, and a browser's manners: cookies kept, a login by the form."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from benchmarks.house import Home

USER, PASSWORD = "looker", "correct horse battery"
COMMAND = (sys.executable, "-m", "smart_cron")


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One that listens."""

    pid: int
    port: int


@contextmanager
def dashboard(home: Home) -> Iterator[Dashboard]:
    """Start one, and end it; what it says of wrong passwords goes nowhere."""
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(
        [*COMMAND, "dashboard", "--port", "0"],
        env=home.environment,
        stdin=nowhere,
        stderr=nowhere,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        found = re.search(rb"http://\S+:(\d+)", process.stdout.readline())
        assert found is not None, "the dashboard does not say where it listens"
        yield Dashboard(process.pid, int(found[1]))
    finally:
        process.terminate()
        process.communicate(timeout=30)


def call(home: Home, *words: str, typed: str = "") -> None:
    """Run a command in this home."""
    subprocess.run(
        [*COMMAND, *words], env=home.environment, input=typed.encode(), check=True, stdout=subprocess.DEVNULL
    )


def add_user(home: Home, name: str = USER, *options: str) -> None:
    """Let somebody log in."""
    call(home, "user", "add", name, *options, typed=f"{PASSWORD}\n")


class Visitor:
    """Somebody who is logged in."""

    def __init__(self, port: int, name: str = USER) -> None:
        self._port = port
        self._kept: dict[str, str] = {}
        found = re.search(rb'csrfmiddlewaretoken" value="([A-Za-z0-9]+)"', self.ask("GET", "/login")[1])
        assert found is not None
        form = {"csrfmiddlewaretoken": found[1].decode(), "login": name, "password": PASSWORD}
        self.ask("POST", "/login", urlencode(form))
        # Home is rendered once, so that all code is loaded.
        for path in ("/", "/runs"):
            assert b"Log out" in self.ask("GET", path)[1], "the login failed"

    @property
    def cookies(self) -> str:
        """The header that says who it is."""
        return "; ".join(f"{name}={value}" for name, value in self._kept.items())

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        """Return the status and the answer."""
        headers = {"Cookie": self.cookies, "Content-Type": "application/x-www-form-urlencoded"}
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)) as connection:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            for line in answer.headers.get_all("Set-Cookie", []):
                self._kept.update({name: morsel.value for name, morsel in SimpleCookie(line).items()})
            return answer.status, answer.read()
