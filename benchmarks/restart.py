"""After SIGKILL of the master: how soon the next task starts, counted from the start of the new master's process."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from benchmarks.databases import instant, written
from benchmarks.house import Ground, Home
from benchmarks.options import Options
from benchmarks.processes import wait_until
from benchmarks.programs import TRUE
from benchmarks.report import Figure, Target

TASKS = 10_000
QUICK_TASKS = 500
DUE_A_SECOND = 20
DUE_FOR_SECONDS = 20
# The master runs for so long before it is killed, with tasks due all the time.
RUNS_FOR_SECONDS = 2.0


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure on each database."""
    return [_measure(ground, options, database) for database in options.databases]


def _measure(ground: Ground, options: Options, database: str) -> Figure:
    values = []
    for repeat in range(options.repeats):
        options.say(f"restart after kill -9, {database}: repeat {repeat + 1} of {options.repeats}")
        values.append(seconds_to_next_start(ground, database, tasks=QUICK_TASKS if options.quick else TASKS))
    tasks = QUICK_TASKS if options.quick else TASKS
    return Figure(
        section=f"kill -9 of the master with {tasks:,} tasks, {DUE_A_SECOND} due each second",
        subject=database,
        quantity="next new start after the restart",
        unit="s",
        values=values,
        target=Target(1.5),
    )


def seconds_to_next_start(ground: Ground, database: str, *, tasks: int) -> float:
    """Kill a master at work, start another at once, and return when that one's first task started."""
    home = ground.home(database, TRUE)
    home.add_tasks(tasks)
    with home.master() as master:
        slots = home.make_due(min(tasks, DUE_A_SECOND * DUE_FOR_SECONDS), apart=timedelta(seconds=1 / DUE_A_SECOND))
        time.sleep(max(0.0, (min(slots.values()) - datetime.now(UTC)).total_seconds()) + RUNS_FOR_SECONDS)
        master.kill()
        restarted_at = datetime.now(UTC)
        master.start()
        wait_until(lambda: _next_start(home, restarted_at) is not None, what="a new start", seconds=30)
        started_at = _next_start(home, restarted_at)
    home.connection.close()
    assert started_at is not None
    return (started_at - restarted_at).total_seconds()


def _next_start(home: Home, restarted_at: datetime) -> datetime | None:
    """What was claimed before the kill may start after it: only the new master's own claims count."""
    rows = home.connection.execute(
        "SELECT MIN(started_at) FROM smart_cron_executions WHERE claimed_at > %s", [written(restarted_at)]
    )
    return None if rows[0][0] is None else instant(rows[0][0])
