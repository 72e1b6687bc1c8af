"""What a dashboard costs while many look: its CPU and memory with streams of home and of one run's output."""

from __future__ import annotations

import http.client
import os
import re
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from benchmarks.house import Ground, Home
from benchmarks.options import Options
from benchmarks.processes import cpu_seconds, pss_bytes, wait_until
from benchmarks.programs import TRUE
from benchmarks.report import Figure, Target

VIEWERS, QUICK_VIEWERS = 200, 10
# Of so many one looks at an output that grows; the others are at home.
OF_WHOM_ONE_READS = 4
SECONDS, QUICK_SECONDS, SETTLE_SECONDS = 30.0, 3.0, 5.0
PASSWORD = "correct horse battery"
PRINTER = 'while :; do echo "a line of output at $(date +%s%N)"; sleep 0.2; done'
MEGABYTE = 1_000_000


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure on SQLite: what streams cost is the dashboard's own."""
    viewers, seconds = (QUICK_VIEWERS, QUICK_SECONDS) if options.quick else (VIEWERS, SECONDS)
    shares, grown, bytes_read = [], [], []
    for repeat in range(options.repeats):
        options.say(f"streams: repeat {repeat + 1} of {options.repeats}")
        with _served(ground) as (home, dashboard, port):
            share, growth, received = _watched(home, dashboard, port, viewers, seconds)
        shares.append(100 * share)
        grown.append(growth / MEGABYTE)
        bytes_read.append(received / viewers / seconds)

    def figure(quantity: str, unit: str, values: list[float], target: Target | None = None) -> Figure:
        section = f"{viewers} viewers of home and of an output"
        return Figure(section=section, subject="dashboard", quantity=quantity, unit=unit, values=values, target=target)

    return [
        figure("CPU, of one core", "%", shares, Target(25)),
        figure("memory beyond nobody looking", "MB", grown, Target(150)),
        figure("sent to each viewer", "B/s", bytes_read),
    ]


@contextmanager
def _served(ground: Ground) -> Iterator[tuple[Home, int, int]]:
    """Start a master with a task that prints, and a dashboard; yield the home, its pid and port."""
    home = ground.home("sqlite", TRUE)
    home.add_tasks(100)
    _call(home, "task", "add", "printer", "--command", PRINTER, "--schedule", "0 0 1 1 *")
    _call(home, "task", "add", "minutely", "--command", "true", "--schedule", "* * * * *")
    _call(home, "user", "add", "looker", typed=f"{PASSWORD}\n")
    command = [sys.executable, "-m", "smart_cron", "dashboard", "--port", "0"]
    with home.master():
        _call(home, "task", "run", "printer")
        dashboard = subprocess.Popen(command, env=home.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        try:
            assert dashboard.stdout is not None
            found = re.search(rb"http://\S+:(\d+)", dashboard.stdout.readline())
            assert found is not None, "the dashboard does not say where it listens"
            yield home, dashboard.pid, int(found[1])
        finally:
            dashboard.terminate()
            dashboard.communicate(timeout=30)
    home.connection.close()


def _watched(home: Home, dashboard: int, port: int, viewers: int, seconds: float) -> tuple[float, int, int]:
    """Return the share of a core, the growth in bytes, and how many bytes were sent."""
    cookies = _logged_in(port)
    number = _number_of(home)
    before = pss_bytes(dashboard)
    with ExitStack() as opened, selectors.DefaultSelector() as waiting:
        for viewer in range(viewers):
            path = f"/stream/output/{number}" if viewer % OF_WHOM_ONE_READS == 0 else "/stream/home"
            connection = opened.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=30)))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\n\r\n".encode())
            head = connection.recv(65_536)
            assert head.startswith(b"HTTP/1.1 200"), head
            connection.setblocking(False)
            waiting.register(connection, selectors.EVENT_READ)
        _drain(waiting, SETTLE_SECONDS)
        began, spent = time.monotonic(), cpu_seconds([dashboard])
        received = _drain(waiting, seconds)
        share = (cpu_seconds([dashboard]) - spent) / (time.monotonic() - began)
        return share, pss_bytes(dashboard) - before, received


def _drain(waiting: selectors.BaseSelector, seconds: float) -> int:
    """Read what comes for so long, and return how many bytes; a stream that ends is a fault."""
    ends_at, total = time.monotonic() + seconds, 0
    while (left := ends_at - time.monotonic()) > 0:
        for key, _ in waiting.select(left):
            data = os.read(key.fd, 262_144)
            assert data, "a stream ended"
            total += len(data)
    return total


def _logged_in(port: int) -> str:
    """Return the cookies of somebody who is logged in; home is rendered once, so that all code is loaded."""
    kept: dict[str, str] = {}
    page = _ask(port, "GET", "/login", kept)
    found = re.search(rb'csrfmiddlewaretoken" value="([A-Za-z0-9]+)"', page)
    assert found is not None
    form = {"csrfmiddlewaretoken": found[1].decode(), "login": "looker", "password": PASSWORD}
    _ask(port, "POST", "/login", kept, urlencode(form))
    for path in ("/", "/runs"):
        assert b"Log out" in _ask(port, "GET", path, kept), "the login failed"
    return _header(kept)


def _ask(port: int, method: str, path: str, kept: dict[str, str], body: str | None = None) -> bytes:
    headers = {"Cookie": _header(kept), "Content-Type": "application/x-www-form-urlencoded"}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        for line in answer.headers.get_all("Set-Cookie", []):
            kept.update({name: morsel.value for name, morsel in SimpleCookie(line).items()})
        return answer.read()


def _header(kept: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in kept.items())


def _number_of(home: Home) -> int:
    running = (
        "SELECT COALESCE(MAX(id), 0) FROM smart_cron_executions WHERE task_name = 'printer' AND status = 'running'"
    )
    wait_until(lambda: home.connection.number(running) > 0, what="the task that prints", seconds=60)
    return home.connection.number(running)


def _call(home: Home, *words: str, typed: str = "") -> None:
    command = [sys.executable, "-m", "smart_cron", *words]
    subprocess.run(command, env=home.environment, input=typed.encode(), check=True, stdout=subprocess.DEVNULL)
