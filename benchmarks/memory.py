"""What the product weighs: memory with many tasks, memory for each running one, CPU time while nothing is due."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.house import Ground, Home
from benchmarks.masters import MasterProcess
from benchmarks.options import Options
from benchmarks.processes import children, command_of, private_bytes, pss_bytes, wait_until
from benchmarks.programs import TRUE
from benchmarks.report import Figure, Target

SECTION = "Size with {tasks:,} tasks"
SLEEPERS = 100
SLEEPER = Path("/bin/sleep")
MEGABYTE = 1_000_000
# The master finishes what it does at its start before it is called idle.
SETTLING_SECONDS = 5.0
IDLE_TARGETS = {"sqlite": Target(0.1), "mariadb": Target(0.3), "postgresql": Target(0.3)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much of it: the quick form only shows that it works."""

    tasks: int = 100_000
    sleepers: int = SLEEPERS
    idle_seconds: float = 30.0
    settling_seconds: float = SETTLING_SECONDS


QUICK = Extent(tasks=1_000, sleepers=5, idle_seconds=1.0, settling_seconds=0.5)


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure each database as often as asked, in a fresh home each time."""
    extent = QUICK if options.quick else Extent()
    return [figure for database in options.databases for figure in _repeated(ground, options, database, extent)]


def _repeated(ground: Ground, options: Options, database: str, extent: Extent) -> list[Figure]:
    """Return each figure once, with a value for each repeat."""
    rounds = [list(_measure(ground, options, database, extent)) for _ in range(options.repeats)]
    return [
        replace(same[0], values=[value for each in same for value in each.values]) for same in zip(*rounds, strict=True)
    ]


def _measure(ground: Ground, options: Options, database: str, extent: Extent) -> Iterator[Figure]:
    options.say(f"memory and idle CPU, {database}")
    home = ground.home(database, TRUE, max_concurrent=extent.sleepers + 10)
    home.add_tasks(extent.tasks)

    def figure(quantity: str, unit: str, value: float, target: Target | None = None) -> Figure:
        return Figure(
            section=SECTION.format(tasks=extent.tasks),
            subject=database,
            quantity=quantity,
            unit=unit,
            values=[value],
            target=target,
        )

    with home.master() as master:
        home.wait_until_noticed()
        time.sleep(extent.settling_seconds)
        # What SQL has entered is taken into the revisions once, which is no idleness.
        seen = "SELECT COUNT(*) FROM smart_cron_task_revisions"
        wait_until(lambda: home.connection.number(seen) >= extent.tasks, what="the revisions", seconds=300, pause=0.5)
        ours, servers = idle_percent(home, master, extent.idle_seconds)
        yield figure("idle CPU, master and task runner", "% of a core", ours, IDLE_TARGETS[database])
        if servers is not None:
            yield figure("idle CPU of the database server, apart", "% of a core", servers)
        weights = pss_bytes(master.pid), pss_bytes(master.runner_pid)
        yield figure("PSS of the master", "MB", weights[0] / MEGABYTE)
        yield figure("PSS of the task runner", "MB", weights[1] / MEGABYTE)
        yield figure("PSS of both", "MB", sum(weights) / MEGABYTE, Target(110))
        each = supervisor_bytes(home, master, extent)
        yield figure("private memory for each running task", "MB", each / MEGABYTE, Target(1))
    home.connection.close()


def idle_percent(home: Home, master: MasterProcess, seconds: float) -> tuple[float, float | None]:
    """Return the share of a core that the product takes with nothing due, and that of a database server."""
    server_before, ours_before = home.database.server_cpu_seconds(), master.cpu_seconds()
    time.sleep(seconds)
    server_after, ours = home.database.server_cpu_seconds(), master.cpu_seconds() - ours_before
    if server_before is None or server_after is None:
        return ours / seconds * 100, None
    return ours / seconds * 100, (server_after - server_before) / seconds * 100


def supervisor_bytes(home: Home, master: MasterProcess, extent: Extent) -> float:
    """Return the private memory of a supervisor with a running task, the task's own left out."""
    sleeper = {"task_script": f"'{SLEEPER}'", "task_arguments": "'[\"300\"]'"}
    home.add_tasks(extent.sleepers, first=extent.tasks + 1, columns=sleeper)
    home.make_due(extent.sleepers, first=extent.tasks + 1)
    wait_until(lambda: len(_busy(master)) >= extent.sleepers, what="all sleepers to run", seconds=60, pause=0.2)
    busy = _busy(master)
    return sum(private_bytes(pid) for pid in busy) / len(busy)


def _busy(master: MasterProcess) -> list[int]:
    """Return the supervisors whose task has been started."""
    return [pid for pid in master.supervisors() if any(command_of(child) == SLEEPER.name for child in children(pid))]
