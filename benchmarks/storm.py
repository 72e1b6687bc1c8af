"""Many at once: 10,000 tasks due at one instant against 1,000 in the same run, and 1,000 tasks that only run on."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.house import Ground
from benchmarks.lateness import launched_priorities, out_of_order
from benchmarks.memory import MEGABYTE, SLEEPER, idle_percent
from benchmarks.options import Options
from benchmarks.processes import pss_bytes, wait_until
from benchmarks.programs import TRUE
from benchmarks.report import Figure, Target
from benchmarks.throughput import run_product

STORM, QUICK_STORM = 10_000, 200
FEW, QUICK_FEW = 1_000, 100
PLACES = 100
SLEEPERS, QUICK_SLEEPERS = 1_000, 10
SETTLING_SECONDS = 5.0
WATCHED_SECONDS = 30.0


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure on each database."""
    return [figure for database in options.databases for figure in _measure(ground, options, database)]


def _measure(ground: Ground, options: Options, database: str) -> Iterator[Figure]:
    yield from _rates(ground, options, database)
    yield from _one_storm(ground, options, database)
    yield _running_on(ground, options, database)


def _rates(ground: Ground, options: Options, database: str) -> Iterator[Figure]:
    storm, few = (QUICK_STORM, QUICK_FEW) if options.quick else (STORM, FEW)
    shares = []
    for repeat in range(options.repeats):
        options.say(f"storm, {database}: repeat {repeat + 1} of {options.repeats}")
        before = run_product(ground, database, TRUE, runs=few, places=PLACES)
        many = run_product(ground, database, TRUE, runs=storm, places=PLACES)
        after = run_product(ground, database, TRUE, runs=few, places=PLACES)
        shares.append(many.rate / ((before.rate + after.rate) / 2))
    yield Figure(
        section=f"{storm:,} tasks due at once, {PLACES} places",
        subject=database,
        quantity=f"runs, against {few:,} due at once",
        unit="x",
        values=shares,
        target=Target(0.8, at_least=True),
    )


def _one_storm(ground: Ground, options: Options, database: str) -> Iterator[Figure]:
    """Watch one master through a storm of tasks of all priorities."""
    storm = QUICK_STORM if options.quick else STORM
    home = ground.home(database, TRUE, max_concurrent=PLACES)
    home.add_tasks(storm, columns={"priority": "1 + i % 10"})
    with home.master() as master:
        home.wait_until_noticed()
        before = pss_bytes(master.pid)
        home.make_due(storm)
        wait_until(lambda: home.ended() >= storm // 2, what="half of the storm", seconds=300, pause=0.5)
        amid = pss_bytes(master.pid)
        home.wait_until_ended(storm, seconds=300)
        after = pss_bytes(master.pid)
    wrong = out_of_order(launched_priorities(home))
    home.connection.close()

    def figure(quantity: str, unit: str, value: float, target: Target | None = None) -> Figure:
        return Figure(
            section=f"{storm:,} tasks due at once, {PLACES} places",
            subject=database,
            quantity=quantity,
            unit=unit,
            values=[value],
            target=target,
        )

    yield figure("PSS of the master before", "MB", before / MEGABYTE)
    yield figure("PSS of the master amid, more than before", "MB", (amid - before) / MEGABYTE)
    yield figure("PSS of the master after, more than before", "MB", (after - before) / MEGABYTE)
    yield figure("launched out of the order of priority", "runs", wrong, Target(0))


def _running_on(ground: Ground, options: Options, database: str) -> Figure:
    """Return what a master costs while many tasks run on and nothing else happens: heartbeats and sweeps."""
    count = QUICK_SLEEPERS if options.quick else SLEEPERS
    options.say(f"storm, {database}: {count} tasks that run on")
    home = ground.home(database, SLEEPER, "300", max_concurrent=count)
    home.add_tasks(count)
    with home.master() as master:
        home.wait_until_noticed()
        home.make_due(count)
        running = "SELECT COUNT(*) FROM smart_cron_executions WHERE status = 'running'"
        wait_until(lambda: home.connection.number(running) >= count, what="all to run", seconds=120, pause=0.5)
        time.sleep(0.5 if options.quick else SETTLING_SECONDS)
        ours, _ = idle_percent(home, master, 1.0 if options.quick else WATCHED_SECONDS)
    home.connection.close()
    return Figure(
        section=f"{count:,} tasks that run on",
        subject=database,
        quantity="CPU of master and task runner",
        unit="% of a core",
        values=[ours],
        target=Target(1.0),
    )
