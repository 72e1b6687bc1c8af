"""Tasks that fight back, each beside a neighbour that must not notice."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.process.conftest import (
    DEADLINE,
    Node,
    _module_leaves_nothing_running,
    _test_leaves_nothing_running,
    is_alive,
    make_node,
    node,
)

from smart_cron.taskrunner.client import runner_command

__all__ = ["_module_leaves_nothing_running", "_test_leaves_nothing_running", "make_node", "node"]

PYTHON = "/usr/bin/python3"
# What the tasks of these tests begin with: `tell` writes the pid of whoever calls it down, for the test to look for.
PRELUDE = """\
import ctypes, os, signal, sys, time
def tell():
    fd = os.open({pids!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, b"%d\\n" % os.getpid())
    os.close(fd)
def told(count):
    while len(open({pids!r}).read().split()) < count:
        time.sleep(0.01)
def deaf():
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
def for_ever():
    while True:
        time.sleep(60)
def daemon(what):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            what()
            os._exit(0)
        os._exit(0)
    os.wait()
"""


class Fighter:
    """A task in Python that tells the pids of its processes, and what became of them."""

    def __init__(self, node: Node, name: str = "fighter") -> None:
        self.node, self.name = node, name
        self.told = node.base / f"{name}.pids"
        self.told.touch()

    def launch(self, body: str, **changes: Any) -> dict[str, Any]:
        script = self.node.script(f"#!{PYTHON}\n{PRELUDE.format(pids=str(self.told))}\n{body}", name=self.name)
        return self.node.launch(script=str(script), **changes)

    def fight(self, body: str, **changes: Any) -> dict[str, Any]:
        """Run it to its end, and see that nothing of it is left by then."""
        end = self.node.event("finished", self.launch(body, **changes)["run_id"])
        self.assert_gone(end["run_id"])
        return end

    def pids(self) -> list[int]:
        return [int(pid) for pid in self.told.read_text().split()]

    def wait_for(self, count: int) -> list[int]:
        """Wait until so many processes have told their pid."""
        deadline = time.monotonic() + DEADLINE
        while len(self.pids()) < count:
            assert time.monotonic() < deadline, f"only {self.pids()} have told of themselves"
            time.sleep(0.01)  # between two looks
        return self.pids()

    def assert_gone(self, run_id: str) -> None:
        """See that no process that told its pid lives, and none that carries the run's id."""
        assert [pid for pid in self.pids() if is_alive(pid)] == []
        mark = f"SMART_CRON_RUN_ID={run_id}".encode()
        assert [pid for pid in os.listdir("/proc") if pid.isdigit() and mark in _environment(pid)] == []


class Neighbour:
    """A task of the same task runner that has nothing to do with the matter."""

    def __init__(self, node: Node) -> None:
        self._node, self._go = node, node.signpost()
        self._runner = node.runner_pid
        self._order = node.launch(shell_command=f"echo before; read x < {self._go.path}; echo after; exit 4")
        node.event("started", self._order["run_id"])

    def assert_unharmed(self, *, by_the_same_runner: bool = True) -> None:
        """Let it end, and see that it does so as if nothing had been."""
        if by_the_same_runner:
            assert self._node.runner_pid == self._runner
            assert is_alive(self._runner)
        with Path(self._go.path).open("w", encoding="ascii") as go:
            go.write("go\n")
        end = self._node.event("finished", self._order["run_id"])
        printed = b"before\nafter\n"
        assert (end["cause"], end["exit_code"], end["leftovers"]) == ("exited", 4, [])
        assert end["output_sha256"] == hashlib.sha256(printed).hexdigest()


def _environment(pid: str) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read()
    except OSError:
        return b""


@pytest.fixture
def fighter(node: Node) -> Fighter:
    return Fighter(node)


@pytest.fixture
def neighbour(node: Node) -> Iterator[Neighbour]:
    """Asked at the end of each test whether it was harmed."""
    beside = Neighbour(node)
    yield beside
    beside.assert_unharmed()


@pytest.fixture
def delegated() -> Iterator[Path]:
    """A cgroup of version 2 with nobody in it, as a unit with Delegate=yes gets one; removed with all that is in it."""
    root = next((line.split()[4] for line in _mounts() if " - cgroup2 " in line), None)
    if root is None or os.geteuid() != 0 or not os.access(f"{root}/cgroup.procs", os.W_OK):
        pytest.skip("no hierarchy of cgroup version 2 that this user may write in")
    path = Path(root) / f"smart-cron-test-{os.getpid()}-{time.monotonic_ns()}"
    path.mkdir()
    with suppress(OSError):  # What systemd marks a delegated one with.
        os.setxattr(path, "trusted.delegate", b"1")
    yield path
    (path / "cgroup.kill").write_text("1")
    for folder in sorted(path.rglob("*/"), reverse=True):
        remove_cgroup(folder)
    remove_cgroup(path)


@pytest.fixture
def contained(make_node: Callable[[str], Node], delegated: Path) -> Node:
    """A node whose task runner was started in a cgroup of its own."""
    node = make_node("contained")
    command = runner_command(state_dir=node.state, run_dir=node.run_dir, version="test", idle_seconds=300)
    # The shell moves itself; the task runner then finds itself alone in there.
    start = [
        "/bin/sh",
        "-c",
        'echo 0 > "$0/cgroup.procs" && exec "$@"',
        str(delegated),
        *command,
        "--foreground",
        "yes",
    ]
    node.foreground = subprocess.Popen(start, stdout=subprocess.PIPE)
    assert node.foreground.stdout is not None
    assert node.foreground.stdout.read() == b"ready\n"
    node.foreground.stdout.close()
    return node.start()


def remove_cgroup(path: Path) -> None:
    """Remove an empty one; what was killed in it may still be on its way out."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            path.rmdir()
        except OSError:
            assert time.monotonic() < deadline, f"{path} is not empty: {(path / 'cgroup.procs').read_text().split()}"
            time.sleep(0.01)  # between two looks
        else:
            return


def _mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
