"""The nodes of a chaos run: homes with a master each, on one database, and who works there right now."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import smart_cron
from benchmarks.house import PYTHONPATH, REPOSITORY
from benchmarks.processes import is_alive, listener_of, wait_until
from smart_cron.taskrunner import runfile
from smart_cron.taskrunner.protocol import socket_path

MASTER = (sys.executable, "-c", "from smart_cron.faces.cli.main import main; main()")
END_PATIENCE_SECONDS = 30.0


class Node:
    """One SMART_CRON_HOME and the master that works for it. `command` is what stands for `smart-cron`."""

    # How processes are started: tests have a quicker way.
    Process: type[subprocess.Popen[bytes]] = subprocess.Popen

    def __init__(
        self, folder: Path, *, name: str, settings: Mapping[str, str], command: Sequence[str] = MASTER
    ) -> None:
        self.folder, self.name, self._settings, self._command = folder, name, dict(settings), tuple(command)
        self._master: subprocess.Popen[bytes] | None = None

    @property
    def state_dir(self) -> Path:
        return Path(self._settings.get("SMART_CRON_STATE_DIR", self.folder / "state"))

    @property
    def run_dir(self) -> Path:
        return Path(self._settings.get("SMART_CRON_RUN_DIR", self.folder / "run"))

    @property
    def log_dir(self) -> Path:
        return Path(self._settings.get("SMART_CRON_LOG_DIR", self.folder / "log"))

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of every process of this node: nothing of another home."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SMART_CRON_")}
        ours = {"SMART_CRON_HOME": str(self.folder), "SMART_CRON_NODE_NAME": self.name, "PYTHONPATH": PYTHONPATH}
        return {**kept, "SMART_CRON_TIME_ZONE": "UTC", **self._settings, **ours}

    def call(self, *words: str, database_url: str | None = None) -> bytes:
        """Call the command line and return what it prints; raise RuntimeError with its complaint where it fails."""
        other = {} if database_url is None else {"SMART_CRON_DATABASE__URL": database_url}
        environment = {**self.environment, **other}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self.Process([*MASTER, *words], env=environment, cwd=REPOSITORY, **pipes) as process:
            printed, complaint = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{' '.join(words)} failed in {self.folder}:\n{complaint.decode(errors='replace')}")
        return printed

    def start(self) -> None:
        """Start a master, as an init system would, and no more than that."""
        with (self.folder / "master.err").open("ab") as errors:
            self._master = self.Process(
                [*self._command, "master"],
                env=self.environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )

    @property
    def master_pid(self) -> int | None:
        """The living master, or None."""
        return self._master.pid if self._master is not None and self._master.poll() is None else None

    @property
    def last_words(self) -> str:
        """What masters of this node said on their standard error."""
        with suppress(FileNotFoundError):
            return (self.folder / "master.err").read_text(encoding="utf-8", errors="replace")[-2000:]
        return ""

    def runner_pid(self) -> int | None:
        """The task runner that answers, or None."""
        path = socket_path(str(self.run_dir), str(self.state_dir), smart_cron.__version__)
        with suppress(OSError):
            return listener_of(Path(path))
        return None

    def has_word_on(self, run_id: str) -> bool:
        """Whether this node has a run file of a run that began, and has not let go of it yet."""
        file = runfile.read(self.state_dir / "runs", run_id)
        return file is not None and file.started is not None

    def supervisors(self) -> list[int]:
        """All supervisors, those of earlier task runners too."""
        runners = self.runners()
        return [pid for pid in self._of_task_runner() if pid not in runners]

    def runners(self) -> list[int]:
        """All task runners, answering or not."""
        return [pid for pid in self._of_task_runner() if _has_lock(pid, self.state_dir)]

    def _of_task_runner(self) -> list[int]:
        mark = str(self.state_dir).encode()
        return [pid for pid, words in _command_lines() if b"task-runner" in words and mark in words]

    def stop(self) -> None:
        """End the master in order, then the task runner and all supervisors."""
        if self._master is not None and self._master.poll() is None:
            self._signal(self._master.pid, signal.SIGCONT)
            self._master.terminate()
            try:
                self._master.wait(END_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self._master.kill()
                self._master.wait()
        self.end_task_runners()

    def end_task_runners(self) -> None:
        """Ask them to end, so that supervisors can end their trees; kill what does not."""
        for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
            for pid in self._of_task_runner():
                self._signal(pid, number)
            if number is not signal.SIGCONT:
                with suppress(TimeoutError):
                    wait_until(lambda: not self._of_task_runner(), what="the task runner to end", seconds=5)

    @staticmethod
    def _signal(pid: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _has_lock(pid: int, state_dir: Path) -> bool:
    """Whether this is a task runner itself: its forks close the lock of its version."""
    prefix = f"{state_dir}/taskrunner-"
    with suppress(OSError):
        return any(str(link.readlink()).startswith(prefix) for link in Path(f"/proc/{pid}/fd").iterdir())
    return False


def _command_lines() -> list[tuple[int, list[bytes]]]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found.append((int(folder.name), (folder / "cmdline").read_bytes().split(b"\0")))
    return found


def workers_alive(records: Path) -> list[str]:
    """Return the tasks' processes that live, by the folder that they were given."""
    mark = str(records).encode()
    return [
        f"{pid} {b' '.join(words).decode(errors='replace').strip()}"
        for pid, words in _command_lines()
        if mark in words and is_alive(pid)
    ]
