"""A node dies, master and task runner together: how late another one starts the slots that it had not claimed."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from benchmarks.databases import instant, written
from benchmarks.house import Ground, Home
from benchmarks.options import Options
from benchmarks.processes import wait_until
from benchmarks.programs import TRUE
from benchmarks.report import Figure, Target

SLOTS = 100
QUICK_SLOTS = 20
APART = timedelta(milliseconds=50)
# So many slots come before the death.
SHARE_BEFORE = 0.4


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure on each database."""
    return [_measure(ground, options, database) for database in options.databases]


def _measure(ground: Ground, options: Options, database: str) -> Figure:
    values = []
    for repeat in range(options.repeats):
        options.say(f"fail-over, {database}: repeat {repeat + 1} of {options.repeats}")
        values.append(latest_start(ground, database, slots=QUICK_SLOTS if options.quick else SLOTS))
    return Figure(
        section="a node is killed whole, another one is there",
        subject=database,
        quantity="latest start of a slot that it had not claimed",
        unit="s",
        values=values,
        target=Target(1.0),
    )


def latest_start(ground: Ground, database: str, *, slots: int) -> float:
    """Kill one of two nodes amid its work; return the largest lateness, in seconds, of the slots after that."""
    one = ground.home(database, TRUE, node_name="one")
    two = _second_node(ground, one)
    one.add_tasks(slots)
    with one.master() as dying, two.master():
        due = one.make_due(slots, apart=APART)
        first = min(due.values())
        time.sleep(max(0.0, (first + APART * slots * SHARE_BEFORE - datetime.now(UTC)).total_seconds()))
        dying.kill()
        _kill_task_runner(one)
        died_at = datetime.now(UTC)
        after = [slot for slot in due.values() if slot > died_at]
        wait_until(lambda: len(_late(one, died_at)) >= len(after), what="the slots after the death", seconds=60)
        latest = max(_late(one, died_at))
    one.connection.close()
    return latest


def _second_node(ground: Ground, one: Home) -> Home:
    url = one.database.url or f"sqlite:///{one.state_dir / 'smart-cron.db'}"
    settings = {"SMART_CRON_NODE_NAME": "two", "SMART_CRON_DATABASE__URL": url}
    two = Home(folder=ground.empty_folder(), database=one.database, settings=settings)
    two.ask("smart_cron", "init")
    return two


def _kill_task_runner(home: Home) -> None:
    mark = f"{home.state_dir}".encode()
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read()
            if b"task-runner" in words and mark in words:
                os.kill(pid, signal.SIGKILL)


def _late(home: Home, since: datetime) -> list[float]:
    rows = home.connection.execute(
        """SELECT scheduled_for, started_at FROM smart_cron_executions
            WHERE scheduled_for > %s AND started_at IS NOT NULL AND task_name LIKE 'task_%%'""",
        [written(since)],
    )
    return [(instant(started) - instant(slot)).total_seconds() for slot, started in rows]
