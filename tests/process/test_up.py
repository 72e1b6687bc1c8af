"""`smart-cron up`: scheduler and dashboard in one foreground command, from a home that is not there yet."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.process.cli import wait_until
from tests.web.conftest import Dashboard, House
from tests.web.visitors import PASSWORD, Visitor

pytestmark = pytest.mark.slow


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    found = House(tmp_path / "home")
    try:
        yield found
    finally:
        found.close()


def up(house: House) -> tuple[Dashboard, str]:
    """Start it; return what serves and what it said until then."""
    process = house.start("up", "--port", "0")
    assert process.stdout is not None
    said = ""
    while "Serving on" not in said.rpartition("\n")[0]:
        line = process.stdout.readline().decode()
        assert line, process.communicate()[1]
        said += line
    found = re.search(r"http://\S+:(\d+)", said)
    assert found
    if not (house.home / "had-users").exists():
        said += process.stdout.readline().decode() + process.stdout.readline().decode()
    return Dashboard(house, process, int(found[1])), said


def master_works(house: House) -> bool:
    return b"Master started" in house.log()


def test_it_prepares_a_home_runs_tasks_and_lets_the_first_admin_in_by_the_link(house: House) -> None:
    serving, said = up(house)
    link = re.search(r"/setup/\S+", said)
    assert link, said

    visitor = Visitor(serving)
    visitor.get(link[0])
    assert visitor.post(link[0], name="ada", password=PASSWORD, again=PASSWORD).status == 302
    assert visitor.get("/").status == 200

    wait_until(lambda: master_works(house), "the master")
    house.add("hello", "echo hello")
    house.sure("task", "run", "hello", "--wait")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_five_seconds_although_a_stream_is_open_and_a_task_runs(
    house: House, number: signal.Signals
) -> None:
    house.sure("init")
    house.sure_with(f"{PASSWORD}\n", "user", "add", "ada", "--role", "admin")
    (house.home / "had-users").touch()
    mark = house.home / "mark"
    house.add("long", f"echo $$ > {mark}; sleep 600")
    serving, _ = up(house)
    wait_until(lambda: master_works(house), "the master")
    house.sure("task", "run", "long")
    pid = int(wait_until(lambda: mark.exists() and mark.read_text().strip(), "the task"))
    visitor = Visitor(serving)
    visitor.log_in("ada")

    with stream(serving, visitor):
        begun = time.monotonic()
        serving.process.send_signal(number)
        assert serving.process.wait(60) == 0
        took = time.monotonic() - begun

    assert took < 5 or os.getloadavg()[0] > 4, took
    assert b"sleep 600" in Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    assert not master_is_running(house)
    os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def stream(serving: Dashboard, visitor: Visitor) -> Iterator[None]:
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    with socket.create_connection(("127.0.0.1", serving.port), timeout=60) as connection:
        head = f"GET /stream/home HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(12) == b"HTTP/1.1 200"
        yield


def master_is_running(house: House) -> bool:
    return b"works for node" in house.call("master", "--once", "--dry-run").stderr


def test_a_second_one_is_told_that_a_master_works_here(house: House) -> None:
    house.sure("init")
    house.start_master()

    done = house.call("up", "--port", "0")

    assert done.returncode == 1
    assert b"a master works for node" in done.stderr
    assert b"smart-cron dashboard" in done.stderr


def test_a_master_that_is_killed_is_started_again(house: House) -> None:
    house.sure("init")
    serving, _ = up(house)
    first = wait_until(lambda: children(serving.process.pid), "the master's process")[0]
    wait_until(lambda: master_works(house), "the master")
    os.kill(first, signal.SIGSTOP)  # It must not be seen to end before it has settled.
    wait_until(lambda: uptime(first) > 6, "a master that has settled")
    os.kill(first, signal.SIGKILL)

    second = wait_until(lambda: [pid for pid in children(serving.process.pid) if pid != first], "another master")

    assert second
    assert serving.ask("/readyz").status == 200


def test_killing_it_ends_its_master_too(house: House) -> None:
    house.sure("init")
    serving, _ = up(house)
    master = wait_until(lambda: children(serving.process.pid), "the master's process")[0]
    wait_until(lambda: master_works(house), "the master")
    serving.process.kill()

    wait_until(lambda: not command(master), "the master's end")


def children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(word) for word in (task / "children").read_text().split()]
    return [each for each in found if b"master" in command(each)]


def command(pid: int) -> bytes:
    """What a process was called with; nothing where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def uptime(pid: int) -> float:
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
