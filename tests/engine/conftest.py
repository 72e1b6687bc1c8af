"""A real home on SQLite with real masters, task runners and tasks; everything started is ended by pid."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests import warm
from tests.task_runners import end_task_runners, task_runners

from smart_cron.config import load_config
from smart_cron.core.task import Task, TaskDefinition
from smart_cron.wiring import open_house, prepare

# Long: beside other tests a machine may give one process a tenth of a processor.
DEADLINE_SECONDS = 120.0
SRC = Path(__file__).parents[2] / "src"


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Return the first true answer; fail, naming what was awaited, when the deadline has passed."""
    ends_at = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < ends_at:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.01)  # between two looks, never instead of one
    raise AssertionError(f"waited {DEADLINE_SECONDS:.0f} s in vain for {what}")


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


MakeHome = Callable[..., "Home"]


@dataclass
class Home:
    """One node: its folders, its database, and the processes that a test started in it."""

    path: Path
    house: Any
    settings: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    program: tuple[str, ...] = (sys.executable, "-m", "smart_cron")

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "SMART_CRON_HOME": str(self.path), "PYTHONPATH": str(SRC), **self.settings}

    def smart_cron(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command of ours in this home."""
        with (self.path / "out").open("ab") as out, (self.path / "err").open("ab") as err:
            # What another program plants may be in place too late in a fork, where others have what it replaces.
            kind = warm.Fork if self.program[1] == "-m" else subprocess.Popen
            process = kind(
                [*self.program, *arguments],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        self.processes.append(process)
        return process

    def start_master(self) -> subprocess.Popen[bytes]:
        """Start the master and return when it is at work."""
        before = self.log_text().count("Master started")
        process = self.smart_cron("master")
        wait_until(lambda: self.log_text().count("Master started") > before or process.poll() is not None, "a master")
        assert process.poll() is None, self.errors()
        return process

    def once(self) -> None:
        """Make one pass and wait for its end."""
        process = self.smart_cron("master", "--once")
        assert process.wait(DEADLINE_SECONDS * 3) == 0, self.errors()

    def errors(self) -> str:
        return (self.path / "err").read_text(errors="replace") if (self.path / "err").exists() else ""

    def log_text(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted((self.path / "log").glob("master-*.log")))

    def script(self, name: str, body: str) -> str:
        """Write a shell script that others cannot write and return its path."""
        folder = self.path / "scripts"
        folder.mkdir(mode=0o750, exist_ok=True)
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o750)
        return str(path)

    def add(self, name: str, command: str, **changes: Any) -> Task:
        """Add an enabled task that only a slot set by hand, or a person, starts."""
        definition = TaskDefinition(name=name, shell_command=command, schedule="0 0 1 1 *", time_zone="UTC")
        task: Task = self.house.store.tasks.add(replace(definition, **changes), actor="test")
        return task

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement as a person with a client would."""
        with sqlite3.connect(self.path / "state" / "smart-cron.db", timeout=20) as connection:
            rows = connection.execute(statement, values).fetchall()
        connection.close()
        return rows

    def due(self, *names: str, at: datetime | None = None) -> None:
        """Set the next slot of these tasks by hand."""
        session = self.house.store.session
        marks = ", ".join(["%s"] * len(names))
        with session.transaction():
            session.execute(
                f"UPDATE smart_cron_tasks_config SET next_run_at = %s WHERE task_name IN ({marks})",
                [session.dialect.instant(at or datetime.now(UTC)), *names],
            )

    def run_now(self, task: Task) -> int:
        execution_id: int = self.house.store.tasks.request_run(
            task.id, arguments=None, actor="test", now=datetime.now(UTC)
        )
        return execution_id

    def runs(self, task: Task | None = None) -> list[dict[str, Any]]:
        """Return executions, oldest first, with all columns."""
        history = self.house.store.history
        rows = history.runs(task_id=task.id if task else None, limit=1000)
        return [history.run(str(row["id"])) for row in reversed(rows)]

    def await_runs(self, count: int, *, task: Task | None = None, status: str | None = None) -> list[dict[str, Any]]:
        """Return the executions once so many of them are over (or have the status)."""

        def enough() -> list[dict[str, Any]] | None:
            rows = self.runs(task)
            fits = [row for row in rows if (row["status"] == status if status else row["completed_at"])]
            return rows if len(fits) >= count else None

        found: list[dict[str, Any]] = wait_until(enough, f"{count} runs ({status or 'over'})")
        return found

    def runner_pid(self) -> int | None:
        """Return the pid of this home's task runner."""
        return next(iter(task_runners(self.path)), None)

    def stop_masters(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()

    def stop(self) -> None:
        """End what was started here: masters, then the task runner with its supervisors."""
        self.stop_masters()
        self.house.close()
        end_task_runners(self.path)


@pytest.fixture
def make_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeHome]:
    """Make fresh homes, on the database of a URL or on SQLite."""
    for name in [name for name in os.environ if name.startswith("SMART_CRON_")]:
        monkeypatch.delenv(name)
    homes = []

    def make(url: str = "", **settings: str) -> Home:
        path = tmp_path_factory.mktemp("h")
        path.chmod(0o755)
        if url:
            settings["SMART_CRON_DATABASE__URL"] = url
        config = load_config({"SMART_CRON_HOME": str(path), **settings})
        prepare(config)
        homes.append(Home(path=path, house=open_house(config), settings=settings))
        return homes[-1]

    yield make
    for home in homes:
        home.stop()


@pytest.fixture
def home(make_home: MakeHome) -> Home:
    """A fresh home on SQLite."""
    return make_home()
