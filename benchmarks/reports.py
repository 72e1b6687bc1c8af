"""How long the views and the specification's report queries take over a long history."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from tests.docs.statements import COUNT_TASKS, LAST_DAY, RUNNING, SUCCESS_RATE, sql_blocks

from benchmarks.history import fill
from benchmarks.house import Ground, Home
from benchmarks.options import Options
from benchmarks.programs import TRUE
from benchmarks.report import Figure, Target

TASKS, QUICK_TASKS, QUICK_ROWS = 1_000, 20, 2_000
VIEWS = (
    "smart_cron_task_performance",
    "smart_cron_recent_failures",
    "smart_cron_active_alerts",
    "smart_cron_system_status",
)
SERVER_TARGET, SQLITE_TARGET = Target(300), Target(1000)
_TITLES = {"sqlite": "SQLite", "mariadb": "MariaDB", "postgresql": "PostgreSQL"}


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure on each database."""
    return [figure for database in options.databases for figure in _measure(ground, options, database)]


def _measure(ground: Ground, options: Options, database: str) -> Iterator[Figure]:
    rows, tasks = (QUICK_ROWS, QUICK_TASKS) if options.quick else (options.rows, TASKS)
    options.say(f"reports, {database}: {rows:,} executions are written")
    home = ground.home(database, TRUE)
    home.add_tasks(tasks)
    fill(home, rows=rows, tasks=tasks, say=options.say)
    for name, statement in _reports(database).items():
        options.say(f"reports, {database}: {name}")
        took = _times(home, statement, repeats=options.repeats)
        yield Figure(
            section=f"Reports over {rows:,} executions of {tasks:,} tasks",
            subject=database,
            quantity=name,
            unit="ms",
            values=[1000 * seconds for seconds in took],
            target=SQLITE_TARGET if database == "sqlite" else SERVER_TARGET,
        )
    home.connection.close()


def _reports(database: str) -> Mapping[str, str]:
    """Return the statements: the views whole, and what the specification prints, as this database takes it."""
    stats = {
        "sqlite": {},
        "mariadb": {"smart_cron_task_stats": "CALL smart_cron_task_stats('task_1', 24)"},
        "postgresql": {"smart_cron_task_stats": "SELECT * FROM smart_cron_task_stats('task_1', 24)"},
    }
    return {
        **{name.removeprefix("smart_cron_"): f"SELECT * FROM {name}" for name in VIEWS},
        "average time, 24 hours": LAST_DAY if database == "mariadb" else _documented(database, having="as avg_time"),
        "success rate by task": SUCCESS_RATE if database == "mariadb" else _documented(database, having="success_rate"),
        "failing tasks": _documented(database, having="consecutive_failures >"),
        "tasks that run": RUNNING,
        "number of tasks": COUNT_TASKS,
        **stats[database],
    }


def _documented(database: str, *, having: str) -> str:
    (block,) = [block for block in sql_blocks("database.md", of=_TITLES[database]) if having in block]
    return block


def _times(home: Home, statement: str, *, repeats: int) -> list[float]:
    """Return the seconds of each repeat, all rows fetched; the first call, which warms the caches, is not counted."""
    seconds = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        home.connection.execute(statement)
        seconds.append(time.perf_counter() - began)
    return seconds[1:]
