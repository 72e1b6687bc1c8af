"""A real dashboard in a process of its own, asked over real HTTP."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.process.cli import Console

# Long: a machine under load answers late, and a test that waits has something to wait for.
ANSWER_SECONDS = 60.0


@dataclass
class House(Console):
    """A home whose commands get further settings from the environment."""

    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        given = {"WEB__LOGINS_PER_MINUTE_AND_ADDRESS": "100000", **self.settings}
        return {**super().environment, **{f"SMART_CRON_{name}": value for name, value in given.items()}}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    cookie_lines: tuple[str, ...] = ()


@dataclass
class Dashboard:
    """One that serves on a port of its own."""

    house: House
    process: subprocess.Popen[bytes]
    port: int
    is_secure: bool = False

    def ask(
        self, path: str, method: str = "GET", *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)) as connection:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            cookies = tuple(value for name, value in response.getheaders() if name.lower() == "set-cookie")
            return Answer(response.status, found, response.read(), cookies)

    @property
    def metrics_key(self) -> str:
        return (self.house.home / "state" / "metrics.key").read_text().strip()

    def add_check(self, name: str, *options: str) -> str:
        """Add a check and return its path with the key."""
        printed = self.house.sure("ping", "add", name, "--every", "1d", *options).decode()
        found = re.search(r"/ping/[A-Za-z0-9_-]+", printed)
        assert found, printed
        return found[0]

    def check(self, name: str) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self.house.sure("ping", "show", name, "--json"))
        return shown


def served(house: House, *options: str, code: str = "") -> Dashboard:
    """Start a dashboard and return when it listens. *code* runs in its process before it does."""
    words = ["dashboard", "--port", "0", *options]
    if code:
        script = f"{code}\nfrom smart_cron.faces.cli.main import main\nmain({words!r})"
        house.argv = lambda *_: [sys.executable, "-c", script]  # type: ignore[method-assign]
    process = house.start(*words)
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    found = re.search(r"http://\S+:(\d+)", line)
    if not found:
        assert process.stderr is not None
        raise AssertionError(process.stderr.read().decode())
    return Dashboard(house, process, int(found[1]))


@contextmanager
def housed(folder: Path, **settings: str) -> Iterator[House]:
    house = House(folder, settings=settings)
    try:
        house.sure("init")
        yield house
    finally:
        house.close()


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """One for all tests of a file."""
    with housed(tmp_path_factory.mktemp("home")) as house:
        yield served(house)


@pytest.fixture
def make_house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    houses: list[House] = []

    def make(**settings: str) -> House:
        house = House(tmp_path / f"home{len(houses)}", settings=settings)
        house.home.mkdir(mode=0o750)
        houses.append(house)
        house.sure("init")
        return house

    yield make
    for house in houses:
        house.close()
