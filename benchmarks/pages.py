"""How long the dashboard takes for each page over a long history, while tasks run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from benchmarks.dashboards import Visitor, add_user, dashboard
from benchmarks.history import DAYS, fill
from benchmarks.house import Ground, Home
from benchmarks.lateness import quantile
from benchmarks.options import Options
from benchmarks.programs import TRUE
from benchmarks.report import Figure, Target

TASKS, QUICK_TASKS, QUICK_ROWS = 2_000, 20, 2_000
# By slots set by hand.
RATE = 50
PLACES = 50
SERVER_TARGET, SQLITE_TARGET = Target(100), Target(200)
# Every page that shows what grows; {run} and {failed} are two executions.
PAGES = (
    "/",
    "/tv",
    "/tasks",
    "/tasks?q=task_19",
    "/tasks?state=failing",
    "/tasks/task_7",
    "/tasks/task_7/statistics",
    "/tasks/task_7/slots",
    "/tasks/task_7/why",
    "/tasks/task_7/revisions",
    "/tasks/task_7/edit",
    "/runs",
    "/runs?status=failed&since=today",
    "/runs?since=30d",
    "/runs?task=task_7",
    "/runs?task=task_7&status=failed",
    "/runs?exit_code=3",
    "/runs/{run}",
    "/runs/{failed}",
    "/alerts",
    "/alerts?state=history",
    "/logs",
    "/health",
    "/backups",
    "/audit",
    "/settings",
    "/search?q=task_19",
)


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure on each database."""
    return [figure for database in options.databases for figure in _measure(ground, options, database)]


def _measure(ground: Ground, options: Options, database: str) -> Iterator[Figure]:
    rows, tasks = (QUICK_ROWS, QUICK_TASKS) if options.quick else (options.rows, TASKS)
    options.say(f"pages, {database}: {rows:,} executions are written")
    home = ground.home(database, TRUE, max_concurrent=PLACES)
    home.add_tasks(tasks)
    fill(home, rows=rows, tasks=tasks, say=options.say, hours=24 * DAYS)
    home.ask("benchmarks.all_totals")
    add_user(home, "looker", "--role", "admin")
    pages = [_filled(home, page) for page in PAGES]
    took: dict[str, list[float]] = {page: [] for page in pages}
    with home.master(), dashboard(home) as served:
        visitor = Visitor(served.port)
        for repeat in range(options.repeats):
            options.say(f"pages, {database}: repeat {repeat + 1} of {options.repeats}")
            _look(home, visitor, took, tasks=tasks)
    home.connection.close()
    for page, seconds in zip(PAGES, took.values(), strict=True):
        yield Figure(
            section=f"Pages over {rows:,} executions of {tasks:,} tasks, {RATE} of which start each second, p95",
            subject=database,
            quantity=page,
            unit="ms",
            values=[1000 * quantile(sorted(seconds), 0.95)],
            target=SQLITE_TARGET if database == "sqlite" else SERVER_TARGET,
        )


def _filled(home: Home, page: str) -> str:
    newest = {"run": "status = 'success'", "failed": "status = 'failed'"}
    return page.format(
        **{
            name: home.connection.number(
                f"SELECT id FROM smart_cron_executions WHERE {condition} ORDER BY id DESC LIMIT 1"
            )
            for name, condition in newest.items()
        }
    )


def _look(home: Home, visitor: Visitor, took: dict[str, list[float]], *, tasks: int) -> None:
    """Ask for every page in turns for as long as tasks start, and once at least."""
    slots = home.make_due(tasks, apart=timedelta(seconds=1 / RATE))
    time.sleep(max(0.0, (min(slots.values()) - datetime.now(UTC)).total_seconds()))
    while True:
        for page, seconds in took.items():
            began = time.perf_counter()
            status, _ = visitor.ask("GET", page)
            seconds.append(time.perf_counter() - began)
            assert status == 200, f"{page}: {status}"
        if datetime.now(UTC) > max(slots.values()):
            return
