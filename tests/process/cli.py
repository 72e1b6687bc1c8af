"""A home on SQLite for commands that are called as a person calls them: as processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import warm

SRC = Path(__file__).parents[2] / "src"
DEADLINE_SECONDS = 120.0


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Return the first true answer; fail, naming what was awaited, when the deadline has passed."""
    ends_at = time.monotonic() + DEADLINE_SECONDS
    while (began := time.monotonic()) < ends_at:
        if answer := condition():
            return answer
        # Between two looks, never instead of one: to look takes no more than half of the time from what is awaited.
        time.sleep(max(0.02, time.monotonic() - began))
    raise AssertionError(f"waited {DEADLINE_SECONDS:.0f} s in vain for {what}")


@dataclass
class Console:
    """Commands in one home, and the processes that a test started there."""

    home: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SMART_CRON_")}
        return {**kept, "SMART_CRON_HOME": str(self.home), "PYTHONPATH": str(SRC), "SMART_CRON_TIME_ZONE": "UTC"}

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "smart_cron", *words]

    def call(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Call a command and return what it said."""
        return warm.call(words, environment=self.environment, timeout=DEADLINE_SECONDS)

    def sure_with(self, typed: str, *words: str) -> bytes:
        """Call a command that has to work with this on its standard input, and return its output."""
        done = warm.call(words, environment=self.environment, timeout=DEADLINE_SECONDS, typed=typed.encode())
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sure(self, *words: str) -> bytes:
        """Call a command that has to work, and return its output."""
        done = self.call(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command and leave it running, its output in pipes."""
        process = warm.Fork(
            self.argv(*words),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        self.started.append(process)
        return process

    def start_master(self) -> subprocess.Popen[bytes]:
        """Start the master and return when it is at work."""
        master = self.start("master")
        wait_until(lambda: b"Master started" in self.log() or master.poll() is not None, "the master")
        assert master.poll() is None
        return master

    def log(self) -> bytes:
        return b"".join(path.read_bytes() for path in (self.home / "log").glob("master-*.log"))

    def add(self, name: str, command: str, *options: str) -> None:
        self.sure("task", "add", name, "--command", command, "--schedule", "0 0 1 1 *", *options)

    def close(self) -> None:
        """End what was started here, by pid: commands, the task runner, its supervisors and what they run."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        wait_until(self._end_runners, "the end of the task runner")

    def _end_runners(self) -> bool:
        pids = self._runners()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not pids

    def _runners(self) -> list[int]:
        """The task runner and its supervisors name the state directory; a master that the demo started, the home."""
        home, state = f"SMART_CRON_HOME={self.home}".encode(), str(self.home / "state").encode()
        return [
            int(folder.name)
            for folder in Path("/proc").glob("[0-9]*")
            if state in _text(folder / "cmdline") or home in _text(folder / "environ").split(b"\0")
        ]


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
