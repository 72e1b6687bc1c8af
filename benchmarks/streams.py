"""What a dashboard costs while many look: its CPU and memory with streams of home and of one run's output."""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from benchmarks.dashboards import Visitor, add_user, call, dashboard
from benchmarks.house import Ground, Home
from benchmarks.options import Options
from benchmarks.processes import cpu_seconds, pss_bytes, wait_until
from benchmarks.programs import TRUE
from benchmarks.report import Figure, Target

VIEWERS, QUICK_VIEWERS = 200, 10
# Of so many one looks at an output that grows; the others are at home.
OF_WHOM_ONE_READS = 4
SECONDS, QUICK_SECONDS, SETTLE_SECONDS = 30.0, 3.0, 5.0
PRINTER = 'while :; do echo "a line of output at $(date +%s%N)"; sleep 0.2; done'
MEGABYTE = 1_000_000


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure on SQLite: what streams cost is the dashboard's own."""
    viewers, seconds = (QUICK_VIEWERS, QUICK_SECONDS) if options.quick else (VIEWERS, SECONDS)
    shares, grown, bytes_read = [], [], []
    for repeat in range(options.repeats):
        options.say(f"streams: repeat {repeat + 1} of {options.repeats}")
        with _served(ground) as (home, pid, port):
            share, growth, received = _watched(home, pid, port, viewers, seconds)
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
    # One user is all of them here.
    home = ground.home("sqlite", TRUE, web__streams_per_user=VIEWERS)
    home.add_tasks(100)
    call(home, "task", "add", "printer", "--command", PRINTER, "--schedule", "0 0 1 1 *")
    call(home, "task", "add", "minutely", "--command", "true", "--schedule", "* * * * *")
    add_user(home)
    with home.master():
        call(home, "task", "run", "printer")
        with dashboard(home) as served:
            yield home, served.pid, served.port
    home.connection.close()


def _watched(home: Home, pid: int, port: int, viewers: int, seconds: float) -> tuple[float, int, int]:
    """Return the share of a core, the growth in bytes, and how many bytes were sent."""
    cookies = Visitor(port).cookies
    number = _number_of(home)
    before = pss_bytes(pid)
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
        began, spent = time.monotonic(), cpu_seconds([pid])
        received = _drain(waiting, seconds)
        share = (cpu_seconds([pid]) - spent) / (time.monotonic() - began)
        return share, pss_bytes(pid) - before, received


def _drain(waiting: selectors.BaseSelector, seconds: float) -> int:
    """Read what comes for so long, and return how many bytes; a stream that ends is a fault."""
    ends_at, total = time.monotonic() + seconds, 0
    while (left := ends_at - time.monotonic()) > 0:
        for key, _ in waiting.select(left):
            data = os.read(key.fd, 262_144)
            assert data, "a stream ended"
            total += len(data)
    return total


def _number_of(home: Home) -> int:
    running = (
        "SELECT COALESCE(MAX(id), 0) FROM smart_cron_executions WHERE task_name = 'printer' AND status = 'running'"
    )
    wait_until(lambda: home.connection.number(running) > 0, what="the task that prints", seconds=60)
    return home.connection.number(running)
