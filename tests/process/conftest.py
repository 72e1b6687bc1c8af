"""A real task runner in a directory of its own, ended by pid when the test is over."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests import warm

from smart_cron.taskrunner import runfile
from smart_cron.taskrunner.client import RunnerClient
from smart_cron.taskrunner.kernel import become_subreaper
from smart_cron.taskrunner.reading import OutputReader
from smart_cron.taskrunner.tree import Process, all_processes, descendants, read_process

# Long: beside other tests a machine may give one process a tenth of a processor.
DEADLINE = 120.0


class Signpost:
    """A fifo that a task writes lines to, so that a test waits for a fact and not for a while."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path, 0o666)
        path.chmod(0o666)
        self.path = str(path)
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""

    def wait(self) -> str:
        """Return the next line."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        while b"\n" not in self._rest:
            assert poll.poll(DEADLINE * 1000), f"nothing came on {self.path}"
            self._rest += os.read(self._fd, 4096)
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def close(self) -> None:
        os.close(self._fd)


def is_alive(pid: int) -> bool:
    process = read_process(pid)
    return process is not None and not process.is_dead


def wait_until_gone(pid: int) -> None:
    """Wait for the end of a process, whoever its parent is."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    ready = poll.poll(DEADLINE * 1000)
    os.close(pidfd)
    assert ready, f"{read_process(pid)} lives on"


class Node:
    """One state directory with its task runner and a client, and the orders that a test gives."""

    def __init__(self, base: Path) -> None:
        self.base, self.state, self.run_dir = base, base / "state", base / "run"
        self.runs = self.state / "runs"
        self.events: list[dict[str, Any]] = []
        self.signposts: list[Signpost] = []
        self.foreground: subprocess.Popen[bytes] | None = None
        self.client = self.new_client()

    def new_client(self, **options: Any) -> RunnerClient:
        return RunnerClient(state_dir=self.state, run_dir=self.run_dir, version="test", **options)

    def start(self) -> Node:
        self.client.ensure()
        return self

    def signpost(self) -> Signpost:
        post = Signpost(self.base / f"signpost{len(self.signposts)}")
        self.signposts.append(post)
        return post

    def order(self, **changes: Any) -> dict[str, Any]:
        run_id = str(uuid.uuid4())
        order: dict[str, Any] = {
            "run_id": run_id,
            "execution_id": 7,
            "task_id": 3,
            "task": "nightly",
            "attempt": 1,
            "triggered_by": "cron",
            "scheduled_for": 1_700_000_000_000_000,
            "incarnation": runfile.incarnation(self.state),
            "launch_deadline": time.clock_gettime(time.CLOCK_BOOTTIME) + 60,
            "script": None,
            "shell_command": None,
            "arguments": [],
            "stdin": None,
            "environment": {"PATH": "/usr/bin:/bin", "SMART_CRON_RUN_ID": run_id},
            "working_directory": None,
            "umask": None,
            "run_as": None,
            "timeout_seconds": 60,
            "kill_grace_seconds": 5,
            "nice": 0,
            "limits": {"output_bytes": 1_000_000},
            "merge_output": False,
            "keep_processes": False,
            "sandbox": "standard",
            "script_directories": None,
        }
        order.update(changes)
        order.setdefault("output_path", str(self.base / "output" / str(order["run_id"])))
        return order

    def launch(self, **changes: Any) -> dict[str, Any]:
        """Hand an order over and return it."""
        order = self.order(**changes)
        self.client.launch([order])
        return order

    def event(self, kind: str, run_id: str) -> dict[str, Any]:
        """Wait for what the runner tells of a run."""

        def wanted(event: dict[str, Any]) -> bool:
            return event["event"] == kind and event.get("run_id") == run_id

        deadline = time.monotonic() + DEADLINE
        while not any(map(wanted, self.events)):
            assert time.monotonic() < deadline, f"no {kind} of {run_id} among {self.events}"
            self.events.extend(self.client.poll(1.0))
        return next(filter(wanted, self.events))

    def finish(self, **changes: Any) -> dict[str, Any]:
        """Run an order and return how it ended."""
        return self.event("finished", self.launch(**changes)["run_id"])

    def refusal(self, **changes: Any) -> dict[str, Any]:
        return self.event("refused", self.launch(**changes)["run_id"])

    def shell(self, command: str, **changes: Any) -> dict[str, Any]:
        return self.finish(shell_command=command, **changes)

    def printed(self, command: str, **changes: Any) -> str:
        """Return what a command prints to stdout when it is a task."""
        end = self.shell(command, **changes)
        assert end["cause"] == "exited", end
        return b"".join(c.data for c in OutputReader(end["output_path"]).read("stdout")).decode()

    def output(self, **changes: Any) -> bytes:
        """Return what an order that was carried out printed to stdout."""
        end = self.finish(**changes)
        assert end["cause"] == "exited", end
        return b"".join(chunk.data for chunk in OutputReader(str(end["output_path"])).read("stdout"))

    def script(self, text: str, name: str = "script", mode: int = 0o755) -> Path:
        path = self.base / "scripts" / name
        path.parent.mkdir(mode=0o755, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def start_in_foreground(self, planted: str = "", **constants: float) -> Node:
        """Start a runner that does not leave its starter, with other constants: `pool_IDLE_SECONDS=0.1`.

        *planted* is Python that it runs before, to script what only a race would do.
        """
        source = str(Path(runfile.__file__).parents[2])
        changes = "".join(f"{name.partition('_')[0]}.{name.partition('_')[2]} = {n}\n" for name, n in constants.items())
        code = (
            f"import sys\nsys.path.insert(0, {source!r})\n"
            "from smart_cron.taskrunner import pool, runner\n"
            f"{changes}{planted}\n"
            "from smart_cron.taskrunner.__main__ import main\n"
            "main(sys.argv[1:])\n"
        )
        places = ["--state", str(self.state), "--run", str(self.run_dir), "--version", "test", "--foreground", "yes"]
        started = subprocess.Popen([sys.executable, "-c", code, *places], stdout=subprocess.PIPE)
        assert started.stdout is not None
        assert started.stdout.read() == b"ready\n"
        started.stdout.close()
        self.foreground = started
        return self.start()

    @property
    def runner_pid(self) -> int:
        assert self.client.runner_pid is not None
        return self.client.runner_pid

    def processes(self) -> list[int]:
        """Return the runner and its supervisors, by the state directory in their command line."""
        found = []
        for process in all_processes():
            try:
                words = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.fsencode(self.state) in words and not process.is_dead:
                found.append(process.pid)
        return found

    def close(self) -> None:
        self.client.close()
        for post in self.signposts:
            post.close()
        ours = self.processes()
        # All of the trees before the first of their roots: later, nobody could tell whose they were.
        for process in [process for pid in ours for process in descendants(pid)]:
            _kill(process.pid)
        for pid in ours:
            _kill(pid)
            wait_until_gone(pid)
        if self.foreground is not None:
            self.foreground.wait(DEADLINE)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _offspring() -> list[Process]:
    """Return all that lives below us. The product's own walk gives up in time, which is not for us to do."""
    by_parent: dict[int, list[Process]] = {}
    for process in all_processes():
        by_parent.setdefault(process.ppid, []).append(process)
    found, waiting = [], [os.getpid()]
    while waiting:
        born = by_parent.get(waiting.pop(), [])
        found += [process for process in born if not process.is_dead]
        waiting += [process.pid for process in born]
    return found


@contextmanager
def nothing_left_running() -> Iterator[None]:
    """Fail where a process is left behind, whatever session or environment it made for itself, and end it."""
    # Orphans come to us instead of to init.
    become_subreaper()
    before = {process.pid for process in _offspring()}

    def left() -> list[Process]:
        return [process for process in _offspring() if process.pid not in before | warm.pids()]

    yield
    # What was killed a moment ago may still be on its way out.
    deadline = time.monotonic() + 2
    while left() and time.monotonic() < deadline:
        select.poll().poll(20)
    leaked = left()
    for process in leaked:
        _kill(process.pid)
    assert not leaked, f"still running: {', '.join(map(str, leaked))}"


@pytest.fixture(autouse=True)
def _test_leaves_nothing_running(request: pytest.FixtureRequest) -> Iterator[None]:
    # Other tests may share a home with their neighbours, and a task runner in it.
    if not {"node", "make_node", "small_disk"} & set(request.fixturenames):
        yield
        return
    with nothing_left_running():
        yield


@pytest.fixture(autouse=True, scope="module")
def _module_leaves_nothing_running() -> Iterator[None]:
    with nothing_left_running():
        yield


@pytest.fixture
def make_node(tmp_path: Path) -> Iterator[Callable[[str], Node]]:
    nodes: list[Node] = []

    def make(name: str) -> Node:
        base = tmp_path / name
        base.mkdir()
        (base / "state").mkdir(mode=0o750)
        nodes.append(Node(base))
        return nodes[-1]

    yield make
    for node in nodes:
        node.close()


@pytest.fixture
def node(make_node: Callable[[str], Node]) -> Node:
    return make_node("node").start()
