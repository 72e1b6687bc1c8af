"""The master, started by cron, by a shell that goes away, as a container's first process, beside another version."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.process.cli import DEADLINE_SECONDS, Console, wait_until
from tests.task_runners import task_runners

from smart_cron.taskrunner.tree import children_of, read_process

pytestmark = pytest.mark.slow

# What cron sets (crontab(5)), and nothing of ours.
CRON_ENVIRONMENT = {"HOME": "/", "LOGNAME": "root", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    console = Console(tmp_path / "home")
    console.sure("init")
    yield console
    console.close()


class Gate:
    """A fifo that a task waits at, until it is let through."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path

    @property
    def wait_command(self) -> str:
        return f"read word < {self.path}"

    def open(self) -> None:
        # Opened for reading too, so that it never waits for the task.
        descriptor = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        os.write(descriptor, b"go\n")
        wait_until(lambda: _is_drained(descriptor), "the task at the gate")
        os.close(descriptor)


def _is_drained(descriptor: int) -> bool:
    import array
    import fcntl
    import termios

    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0] == 0


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


def last_run(console: Console, task: str) -> dict[str, Any]:
    runs: list[dict[str, Any]] = json.loads(console.sure("run", "list", "--task", task, "--json"))
    return runs[0]


def wait_for_status(console: Console, task: str, status: str) -> dict[str, Any]:
    wait_until(lambda: last_run(console, task)["status"] == status, f"'{task}' to be {status}")
    return last_run(console, task)


def crontab_command(console: Console) -> str:
    """Return what cron would hand to the shell, as `service install` writes it."""
    printed = console.sure("service", "install", "--crontab", "--dry-run").decode()
    (line,) = [line for line in printed.splitlines() if line.startswith("* * * * * ")]
    return line.removeprefix("* * * * * ").replace("\\%", "%")


def called_by_cron(command: str) -> subprocess.CompletedProcess[bytes]:
    """Call it as cron does: no terminal, nothing of ours in the environment, a pipe whose end cron waits for."""
    return subprocess.run(
        ["/bin/sh", "-c", command],
        env=CRON_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        check=False,
        timeout=DEADLINE_SECONDS,
        cwd="/",
    )


@pytest.mark.parametrize("redirected", [True, False])
def test_a_line_of_cron_ends_while_its_task_runs_on_and_the_next_one_records_it(
    console: Console, gate: Gate, redirected: bool
) -> None:
    (console.home / "smart-cron.toml").write_text("max_execution_time = 1\n")
    console.add("long", f"{gate.wait_command}; exit 3")
    console.sure("task", "run", "long")
    line = crontab_command(console)
    command = line if redirected else line.partition(" >> ")[0]

    # Returning at all is the claim: whoever still held the pipe would hold cron up.
    first = called_by_cron(command)

    assert (first.returncode, first.stdout) == (0, b"")
    assert last_run(console, "long")["status"] == "running"
    gate.open()
    wait_until(
        lambda: called_by_cron(command).returncode == 0 and last_run(console, "long")["exit_code"] == 3, "the end"
    )
    assert (console.home / "log" / "master.log").exists() == redirected


def test_a_master_in_the_background_outlives_the_shell_and_its_terminal(console: Console) -> None:
    terminal, its_end = pty.openpty()
    shell = subprocess.Popen(
        ["setsid", "--ctty", "bash", "--norc", "--noprofile", "-i"],
        env={**console.environment, "HISTFILE": ""},
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
    )
    console.started.append(shell)
    os.close(its_end)
    os.write(terminal, f"{' '.join(console.argv('master'))} &\n".encode())
    wait_until(lambda: b"Master started" in console.log(), "the master")
    (master,) = [pid for pid in children_of(shell.pid) if _is_master(pid)]

    os.close(terminal)
    shell.wait(DEADLINE_SECONDS)

    wait_until(lambda: b"Settings were reread" in console.log(), "the hang-up to be taken for a SIGHUP")
    console.add("after", "exit 0")
    console.sure("task", "run", "after", "--wait")
    _end(master)
    assert b"Master stopped" in console.log()


def _is_master(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return b"master" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return False


def _end(pid: int) -> None:
    """Ask a process that is not our child, or no longer another's, to end, and wait for that."""
    os.kill(pid, signal.SIGTERM)

    def has_ended() -> bool:
        process = read_process(pid)
        return process is None or process.is_dead

    wait_until(has_ended, f"the end of process {pid}")


class Container:
    """A pid namespace with a command as its first process; pids are those that we see."""

    def __init__(self, console: Console, *words: str) -> None:
        root = () if os.geteuid() == 0 else ("--map-root-user",)
        self.process = subprocess.Popen(
            ["unshare", *root, "--pid", "--fork", "--mount-proc", "--kill-child", *console.argv(*words)],
            env=console.environment,
            stdin=subprocess.DEVNULL,
        )
        console.started.append(self.process)
        wait_until(lambda: list(children_of(self.process.pid)), "the first process")
        (self.first,) = children_of(self.process.pid)

    def members(self) -> set[int]:
        """Return everything in it that has not been fetched, the dead included."""
        name = _namespace(self.first)
        return {int(path.name) for path in Path("/proc").glob("[0-9]*") if name and _namespace(int(path.name)) == name}

    def dead(self) -> list[str]:
        found = [read_process(pid) for pid in children_of(self.first)]
        return [str(process) for process in found if process is not None and process.is_dead]


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


@pytest.fixture
def container(console: Console) -> Container:
    container = Container(console, "master")
    wait_until(lambda: b"Master started" in console.log() or container.process.poll() is not None, "the master")
    return container


def test_a_containers_first_process_runs_tasks_and_fetches_the_dead(console: Console, container: Container) -> None:
    console.add("stray", "(setsid sh -c 'exit 7' &); exit 3")
    console.sure("task", "run", "stray")
    assert wait_for_status(console, "stray", "failed")["exit_code"] == 3
    runner, *_ = task_runners(console.home)
    assert runner in container.members()

    os.kill(runner, signal.SIGKILL)
    console.sure("task", "run", "stray")

    wait_until(lambda: runner not in container.members(), "the remains of the task runner to be fetched")
    wait_until(lambda: not container.dead(), "all remains to be fetched")
    wait_until(lambda: [run["status"] for run in _runs(console)] == ["failed"] * 2, "the second run")


def _runs(console: Console) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = json.loads(console.sure("run", "list", "--json"))
    return runs


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_container_stops_at_once_and_its_runs_are_told_as_lost(
    console: Console, container: Container, gate: Gate, number: int
) -> None:
    console.add("long", gate.wait_command)
    console.sure("task", "run", "long")
    wait_for_status(console, "long", "running")
    members = container.members()

    os.kill(container.first, number)

    assert container.process.wait(DEADLINE_SECONDS) == 0
    wait_until(lambda: not [pid for pid in members if read_process(pid) is not None], "the end of the container")
    assert b"Master stopped" in console.log()
    console.sure("master", "--once")
    assert last_run(console, "long")["status"] == "lost"


def test_a_first_process_reads_its_settings_anew_and_ends_with_its_masters_code(
    console: Console, container: Container
) -> None:
    os.kill(container.first, signal.SIGHUP)
    wait_until(lambda: b"Settings were reread" in console.log(), "SIGHUP to be passed on")

    (master,) = [pid for pid in children_of(container.first) if _is_master(pid)]
    os.kill(master, signal.SIGKILL)

    assert container.process.wait(DEADLINE_SECONDS) == 128 + signal.SIGKILL


def test_a_pass_as_first_process_ends_with_the_pass(console: Console) -> None:
    console.add("short", "exit 0")
    console.sure("task", "run", "short")

    assert Container(console, "master", "--once").process.wait(DEADLINE_SECONDS) == 0
    assert last_run(console, "short")["status"] == "success"


OTHER_VERSION = (
    "import sys, smart_cron; smart_cron.__version__ = '99.0.0'; from smart_cron.faces.cli.main import main; main()"
)


def start_other_version(console: Console) -> subprocess.Popen[bytes]:
    started = console.log().count(b"Master started")
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER_VERSION, "master"], env=console.environment, stdin=subprocess.DEVNULL
    )
    console.started.append(process)
    wait_until(lambda: console.log().count(b"Master started") > started, "the master of the other version")
    return process


def test_an_upgrade_interrupts_no_run_and_the_old_task_runner_ends_after_its_last(console: Console, gate: Gate) -> None:
    console.add("old", f"{gate.wait_command}; exit 3")
    console.add("new", "exit 4")
    master = console.start_master()
    console.sure("task", "run", "old")
    wait_for_status(console, "old", "running")
    (old_runner,) = _runners_of(console, b"--version")
    _stop(master)

    start_other_version(console)
    console.sure("task", "run", "new")

    assert wait_for_status(console, "new", "failed")["exit_code"] == 4
    (new_runner,) = _runners_of(console, b"99.0.0")
    assert new_runner != old_runner
    assert last_run(console, "old")["status"] == "running"
    gate.open()
    assert wait_for_status(console, "old", "failed")["exit_code"] == 3
    wait_until(lambda: old_runner not in task_runners(console.home), "the end of the old task runner")
    assert new_runner in task_runners(console.home)


def test_an_upgrade_that_is_undone_leaves_one_task_runner(console: Console) -> None:
    console.add("any", "exit 0")
    _stop(start_other_version(console))
    (newer,) = _runners_of(console, b"99.0.0")

    console.start_master()
    console.sure("task", "run", "any", "--wait")

    wait_until(lambda: newer not in task_runners(console.home), "the end of the other version's task runner")
    assert not _runners_of(console, b"99.0.0")


def _stop(master: subprocess.Popen[bytes]) -> None:
    master.terminate()
    assert master.wait(DEADLINE_SECONDS) == 0


def _runners_of(console: Console, word: bytes) -> list[int]:
    """Return the task runners with this word in their command line, supervisors left out."""
    pids = task_runners(console.home)
    found = [pid for pid in pids if word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]
    return [pid for pid in found if (process := read_process(pid)) is not None and process.ppid not in pids]


def test_a_pass_whose_task_runner_is_a_unit_starts_none(console: Console) -> None:
    done = subprocess.run(
        console.argv("master", "--once"),
        env={**console.environment, "SMART_CRON_START_TASK_RUNNER": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )

    assert done.returncode == 1
    assert b"the task runner does not answer, and it is not ours to start" in done.stderr
    assert not task_runners(console.home)


def test_a_master_whose_task_runner_is_a_unit_waits_for_it_and_says_so(console: Console) -> None:
    master = subprocess.Popen(
        console.argv("master"),
        env={**console.environment, "SMART_CRON_START_TASK_RUNNER": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    console.started.append(master)
    assert master.stderr is not None

    assert b"the task runner does not answer, and it is not ours to start" in master.stderr.readline()
    assert master.poll() is None
    assert not task_runners(console.home)
    master.terminate()
    assert master.wait(DEADLINE_SECONDS) == 0


def test_the_unit_of_the_task_runner_is_one_process_that_the_master_finds(console: Console) -> None:
    systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    systemd.bind(str(console.home / "notify"))
    systemd.settimeout(DEADLINE_SECONDS)
    unit = subprocess.Popen(
        console.argv("service", "task-runner"),
        env={**console.environment, "CANARY": "canary", "NOTIFY_SOCKET": str(console.home / "notify")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    console.started.append(unit)
    assert systemd.recv(100) == b"READY=1"

    console.add("any", "exit 5")
    console.sure("task", "run", "any")
    console.sure("master", "--once")

    assert last_run(console, "any")["exit_code"] == 5
    assert task_runners(console.home)[0] == unit.pid
    assert b"CANARY" not in Path(f"/proc/{unit.pid}/environ").read_bytes()
    unit.terminate()
    assert systemd.recv(100) == b"STOPPING=1"
    assert unit.wait(DEADLINE_SECONDS) == 0
    systemd.close()
