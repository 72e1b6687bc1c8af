"""A real `smart-cron master` and its task runner, seen from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Protocol

import smart_cron
from benchmarks.processes import children, cpu_seconds, descendants, is_alive, listener_of, tree_cpu_seconds, wait_until
from smart_cron.taskrunner.protocol import socket_path

COMMAND = (sys.executable, "-c", "from smart_cron.faces.cli.main import main; main()", "master")


class Place(Protocol):
    """What a master needs to know of its home."""

    folder: Path

    @property
    def state_dir(self) -> Path: ...

    @property
    def run_dir(self) -> Path: ...

    @property
    def environment(self) -> Mapping[str, str]: ...


class MasterProcess:
    """A real master and its task runner."""

    def __init__(self, home: Place) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @cached_property
    def runner_pid(self) -> int:
        """The task runner, which outlives the master."""
        return listener_of(self._socket)

    @property
    def _socket(self) -> Path:
        return Path(socket_path(str(self._home.run_dir), str(self._home.state_dir), smart_cron.__version__))

    def start(self) -> None:
        """Start the master, and no more than that."""
        with (self._home.folder / "master.err").open("ab") as errors:
            self._process = subprocess.Popen(
                COMMAND, env=self._home.environment, cwd="/", stdin=subprocess.DEVNULL, stdout=errors, stderr=errors
            )

    def wait_until_ready(self) -> None:
        """Wait until the task runner answers, which the master sees to before all else."""
        wait_until(self._answers, what="the task runner to answer", seconds=30)

    def require_alive(self) -> None:
        """Raise RuntimeError with the master's last words if it ended: nobody need wait for it any longer."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"the master ended: {(self._home.folder / 'master.err').read_text(encoding='utf-8')}")

    def _answers(self) -> bool:
        self.require_alive()
        with suppress(OSError):
            return listener_of(self._socket) > 0
        return False

    def kill(self) -> None:
        """SIGKILL the master alone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End the master and, its runs with it, the task runner."""
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
        with suppress(OSError):
            stop_tree(listener_of(self._socket))

    def supervisors(self) -> list[int]:
        """Return the task runner's children."""
        return children(self.runner_pid)

    def own_cpu_seconds(self) -> float:
        """Return the CPU time of the master alone up to now."""
        return cpu_seconds([self.pid])

    def cpu_seconds(self) -> float:
        """Return the CPU time of master, task runner, supervisors and all tasks up to now."""
        return self.own_cpu_seconds() + tree_cpu_seconds(self.runner_pid)


def stop_tree(runner: int) -> None:
    """End a task runner and what it runs: its supervisors end their tasks when they are asked."""
    tree = [runner, *descendants(runner)]
    for pid in tree:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not any(is_alive(pid) for pid in tree), what=f"the task runner {runner} to end", seconds=30)
