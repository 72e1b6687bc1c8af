"""What figures cost: the CPU per run of the whole product with and without them, and the time of a scrape."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks import masters
from benchmarks.house import Ground, Home
from benchmarks.masters import MasterProcess
from benchmarks.options import Options
from benchmarks.programs import TRUE
from benchmarks.report import Figure, Target
from benchmarks.scrape import scrapes

SECTION = "Rollups and anomalies, {} tasks that run four times"
PLACES = 100
TASKS, QUICK_TASKS = 500, 20
SLOTS = 4
SCRAPED_TASKS, QUICK_SCRAPED_TASKS = 10_000, 100
SCRAPES = 5
WITHOUT = (sys.executable, "-m", "benchmarks.without_rollups", "master")
READ_AHEAD_SECONDS = 0.2


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure on each database."""
    return [figure for database in options.databases for figure in _measure(ground, options, database)]


def _measure(ground: Ground, options: Options, database: str) -> Iterator[Figure]:
    count = QUICK_TASKS if options.quick else TASKS
    section = SECTION.format(count)
    costs: dict[bool, list[_Cost]] = {True: [], False: []}
    for repeat in range(options.repeats):
        options.say(f"rollups, {database}: repeat {repeat + 1} of {options.repeats}")
        # Whichever comes second meets a warmer or a busier machine: they take turns.
        for with_rollups in (True, False) if repeat % 2 else (False, True):
            costs[with_rollups].append(_cpu_per_run(ground, database, count, with_rollups=with_rollups))

    def figure(quantity: str, unit: str, values: Sequence[float], target: Target | None = None) -> Figure:
        return Figure(section=section, subject=database, quantity=quantity, unit=unit, values=values, target=target)

    for which, words in ((True, "with them"), (False, "without them")):
        yield figure(f"CPU {words}", "ms/run", [1000 * cost.whole for cost in costs[which]])
        yield figure(f"CPU {words}, of the master", "ms/run", [1000 * cost.master for cost in costs[which]])
    # They are the master's work. What tasks and supervisors take differs from one minute to the next by more than that.
    shares = [
        (other.whole + one.master - other.master) / other.whole
        for one, other in zip(costs[True], costs[False], strict=True)
    ]
    yield figure("CPU with, against without", "x", shares, Target(1.05))
    yield _scrape(ground, options, database)


@dataclass(frozen=True, slots=True)
class _Cost:
    """CPU seconds per run: of all that run, and of the master among them."""

    whole: float
    master: float


def _cpu_per_run(ground: Ground, database: str, count: int, *, with_rollups: bool) -> _Cost:
    """Return the CPU per run: the first slot opens rows, the others add to them."""
    home = ground.home(database, TRUE, max_concurrent=PLACES)
    home.add_tasks(count)
    with _command(masters.COMMAND if with_rollups else WITHOUT), home.master() as master:
        spent = [_one_slot(home, master, count, ended=count * (slot + 1)) for slot in range(SLOTS)]
    home.connection.close()
    runs = SLOTS * count
    return _Cost(sum(whole for whole, _ in spent) / runs, sum(own for _, own in spent) / runs)


@contextmanager
def _command(command: tuple[str, str, str, str]) -> Iterator[None]:
    usual, masters.COMMAND = masters.COMMAND, command
    try:
        yield
    finally:
        masters.COMMAND = usual


def _one_slot(home: Home, master: MasterProcess, count: int, *, ended: int) -> tuple[float, float]:
    slot = min(home.make_due(count).values())
    time.sleep(max(0.0, (slot - datetime.now(UTC)).total_seconds() - READ_AHEAD_SECONDS))
    whole, own = master.cpu_seconds(), master.own_cpu_seconds()
    home.wait_until_ended(ended)
    return master.cpu_seconds() - whole, master.own_cpu_seconds() - own


def _scrape(ground: Ground, options: Options, database: str) -> Figure:
    """Return how long a dashboard takes to answer with the figures of many tasks."""
    count = QUICK_SCRAPED_TASKS if options.quick else SCRAPED_TASKS
    options.say(f"rollups, {database}: {count} tasks scraped")
    home = ground.home(database, TRUE)
    home.add_tasks(count, columns={"total_executions": "i", "total_successes": "i"})
    took = scrapes(home, SCRAPES)
    home.connection.close()
    return Figure(
        section=f"/metrics with {count:,} tasks",
        subject=database,
        quantity="time to the answer",
        unit="ms",
        values=took,
        target=Target(200),
    )
