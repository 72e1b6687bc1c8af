"""A fresh home with a real `smart-cron master` in it, and many tasks at once."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import smart_cron
from benchmarks.databases import Connection, Database, Databases, written
from benchmarks.masters import MasterProcess
from benchmarks.processes import wait_until
from benchmarks.programs import Programs, build_programs

REPOSITORY = Path(__file__).parent.parent
# The very package that runs here, installed or not.
PYTHONPATH = os.pathsep.join((str(Path(smart_cron.__file__).parent.parent), str(REPOSITORY)))
# Slots set by hand lie so far ahead that the master has noticed every task before the first of them.
LEAD = timedelta(seconds=3)
LEAD_PER_TASK = timedelta(milliseconds=2)
# A busy machine gets longer ones, while the earlier ones are still ahead by so much.
PATIENCE = (1, 2, 4, 8)
MARGIN = timedelta(milliseconds=500)
# A server keeps the numbers of one statement in memory.
COPIED_AT_ONCE = 20_000
COPY = """
    INSERT INTO smart_cron_tasks_config (task_name, next_run_at, {columns})
    WITH RECURSIVE numbers (i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM numbers WHERE i < {last})
    SELECT {name}, template.next_run_at, {values}
      FROM numbers CROSS JOIN smart_cron_tasks_config template WHERE template.task_name = 'template'"""
TASK_NAME = {
    "sqlite": "'task_' || i",
    "mariadb": "CONCAT('task_', i)",
    "postgresql": "'task_' || CAST(i AS text)",
}


class Ground:
    """The folder of everything that a benchmark makes, the programs and the databases in it.

    Homes stay until the end: on ext4, making files after many were removed is slow for minutes.
    """

    def __init__(self, folder: Path, databases: Databases) -> None:
        self.folder, self.databases = folder, databases
        self.programs: Programs = build_programs(folder / "programs")
        self._numbers = itertools.count(1)

    def home(self, database: str, script: Path, *arguments: str, **settings: object) -> Home:
        """Return a fresh home whose tasks run *script*. *settings* are top-level keys of the product's."""
        home = Home(
            folder=self.folder / f"home{next(self._numbers)}",
            database=self.databases.fresh(database),
            settings={f"SMART_CRON_{key.upper()}": str(value) for key, value in settings.items()},
        )
        home.found(script, *arguments)
        return home

    def empty_folder(self) -> Path:
        """Return a folder of its own for what is no home."""
        folder = self.folder / f"home{next(self._numbers)}"
        folder.mkdir(mode=0o755)
        return folder


@contextmanager
def open_ground(databases: Databases, parent: Path | None) -> Iterator[Ground]:
    """Open a new folder in *parent*, and remove it and all homes in it at the very end."""
    folder = Path(tempfile.mkdtemp(prefix="scbench-", dir=parent))
    folder.chmod(0o755)
    try:
        yield Ground(folder, databases)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(kw_only=True)
class Home:
    """A SMART_CRON_HOME with its database."""

    folder: Path
    database: Database
    settings: Mapping[str, str] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    at_work: MasterProcess | None = None

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    @property
    def run_dir(self) -> Path:
        return self.folder / "run"

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of every process of the product's: this home, nothing of another."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SMART_CRON_")}
        ours = {"SMART_CRON_HOME": str(self.folder), "PYTHONPATH": PYTHONPATH}
        if self.database.url is not None:
            ours["SMART_CRON_DATABASE__URL"] = self.database.url
        return {**kept, **self.settings, **ours}

    @cached_property
    def connection(self) -> Connection:
        return self.database.connect(self.state_dir)

    def found(self, script: Path, *arguments: str) -> None:
        """Make the home, its tables and the template task."""
        self.folder.mkdir(mode=0o750)
        self.columns = json.loads(self.ask("benchmarks.template", str(script), *arguments))

    def ask(self, module: str, *arguments: str) -> str:
        """Run one of our modules in this home and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=self.environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{module} failed in {self.folder}:\n{done.stderr}")
        return done.stdout

    def add_tasks(self, count: int, *, first: int = 1, columns: Mapping[str, str] | None = None) -> None:
        """Copy the template *count* times as task_<first> and on, planned already and not due for months.

        *columns* gives SQL for a column's value in terms of `i`, the task's number.
        """
        taken = {name: (columns or {}).get(name, f"template.{name}") for name in self.columns}
        for start in range(first, first + count, COPIED_AT_ONCE):
            sql = COPY.format(
                columns=", ".join(taken),
                first=start,
                last=min(start + COPIED_AT_ONCE, first + count) - 1,
                name=TASK_NAME[self.database.name],
                values=", ".join(taken.values()),
            )
            self.connection.execute(sql)

    def make_due(self, count: int, *, first: int = 1, apart: timedelta = timedelta()) -> dict[str, datetime]:
        """Set the slots of so many tasks by hand, all at once or *apart*, and return them by the tasks' names.

        The master has noticed every one before the first of them comes.
        """
        earliest = datetime.max.replace(tzinfo=UTC)
        for patience in PATIENCE:
            at = slot_for(count, patience=patience)
            slots = {f"task_{first + number}": at + apart * number for number in range(count)}
            began = datetime.now(UTC)
            self._set_slots(slots)
            took = datetime.now(UTC) - began
            if datetime.now(UTC) > earliest:
                # Some came amid the setting of these, and run twice.
                break
            # Setting them once more takes about as long again.
            if self._noticed_before(at - MARGIN - 3 * took):
                return slots
            earliest = at
        raise RuntimeError(f"the machine is too busy: {count} tasks were not planned in time")

    def _set_slots(self, slots: Mapping[str, datetime]) -> None:
        self.connection.execute_many(
            "UPDATE smart_cron_tasks_config SET next_run_at = %s WHERE task_name = %s",
            [(written(slot), name) for name, slot in slots.items()],
        )

    def _noticed_before(self, ends_at: datetime) -> bool:
        with suppress(TimeoutError):
            self.wait_until_noticed(seconds=(ends_at - datetime.now(UTC)).total_seconds())
        return datetime.now(UTC) < ends_at

    def wait_until_noticed(self, *, seconds: float = 120) -> None:
        """Wait until the master has seen every task as it stands now."""
        wait_until(self._all_noticed, what="the master to notice new tasks", seconds=seconds, pause=0.1)

    def _all_noticed(self) -> bool:
        if self.at_work is not None:
            self.at_work.require_alive()
        return self.connection.number("SELECT COUNT(*) FROM smart_cron_tasks_config WHERE needs_planning = 1") == 0

    def ended(self) -> int:
        """Return how many executions have ended and are recorded."""
        return self.connection.number("SELECT COUNT(*) FROM smart_cron_executions WHERE completed_at IS NOT NULL")

    def wait_until_ended(self, runs: int, *, seconds: float = 180) -> None:
        """Wait until so many runs are recorded, looking more often towards the end so as not to disturb before."""
        began = time.monotonic()
        while (done := self.ended()) < runs:
            elapsed = time.monotonic() - began
            if self.at_work is not None:
                self.at_work.require_alive()
            if elapsed > seconds:
                raise TimeoutError(f"{done} of {runs} runs were recorded within {seconds:.0f} s; see {self.folder}")
            left = elapsed * (runs - done) / max(done, 1)
            time.sleep(min(max(left / 4, 0.004), 0.25))

    @contextmanager
    def master(self) -> Iterator[MasterProcess]:
        """Start a master; at the end stop it and its task runner."""
        process = MasterProcess(self)
        process.start()
        try:
            process.wait_until_ready()
            self.at_work = process
            yield process
        finally:
            self.at_work = None
            process.stop()


def slot_for(count: int, *, patience: int) -> datetime:
    """Return a slot, on the full second, so far ahead that *count* tasks should be noticed before it."""
    return (datetime.now(UTC) + (LEAD + LEAD_PER_TASK * count) * patience).replace(microsecond=0)
