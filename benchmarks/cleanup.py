"""The clean-up of a long history while tasks run: how late these start with it and without it, by turns."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.house import COPIED_AT_ONCE, Ground, Home
from benchmarks.lateness import miscounted, quantile, read_stamps
from benchmarks.options import Options
from benchmarks.report import Figure, Target

PLACES = 50
RATE, QUICK_RATE = 100, 20
SECONDS, QUICK_SECONDS = 60, 3
QUICK_ROWS = 3_000
# Tasks that the old rows are of, and how many of its newest each keeps.
OLD_TASKS, KEPT = 100, 10
COMMAND = (sys.executable, "-c", "from smart_cron.faces.cli.main import main; main()", "cleanup", "--json")
LONGEST_MILLISECONDS = {"sqlite": 5.0, "mariadb": 100.0, "postgresql": 100.0}
# A second for each number from a day long ago: every slot is another one.
AT = {
    "sqlite": "datetime('{first}', '+' || i || ' seconds')",
    "mariadb": "DATE_ADD('{first}', INTERVAL i SECOND)",
    "postgresql": "TIMESTAMPTZ '{first}' + i * INTERVAL '1 second'",
}
RUN_ID = {"sqlite": "'old-' || i", "mariadb": "CONCAT('old-', i)", "postgresql": "'old-' || CAST(i AS text)"}
FILL = """
    INSERT INTO smart_cron_executions (task_id, task_name, status, success, exit_code, scheduled_for, started_at,
        completed_at, created_at, execution_time, run_id, stdout_output)
    WITH RECURSIVE numbers (i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM numbers WHERE i < {last})
    SELECT 1000000 + MOD(i, {tasks}), 'old', 'success', 1, 0, {at}, {at}, {at}, {at}, 1.5, {run_id}, '{output}'
      FROM numbers"""


@dataclass
class _Turns:
    """What the turns of one kind gave: p99 of lateness in milliseconds, and starts that are missing or too many."""

    p99: list[float] = field(default_factory=list)
    miscounted: list[float] = field(default_factory=list)


@dataclass
class _History:
    """The old rows of a home; each fill adds other ones."""

    home: Home
    count: int = 0

    def fill(self, rows: int) -> None:
        name = self.home.database.name
        # All of them are long over, whatever their number.
        first_day = datetime.now(UTC) - timedelta(days=3000)
        at = AT[name].format(first=f"{first_day:%Y-%m-%d} 00:00:00{'+00' if name == 'postgresql' else ''}")
        for start in range(self.count, self.count + rows, COPIED_AT_ONCE):
            last = min(start + COPIED_AT_ONCE, self.count + rows) - 1
            sql = FILL.format(
                first=start, last=last, tasks=OLD_TASKS, at=at, run_id=RUN_ID[name], output="one line of output; " * 10
            )
            self.home.connection.execute(sql.replace("MOD(i, ", "(i % ") if name == "sqlite" else sql)
        self.count += rows


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure on each database."""
    return [figure for database in options.databases for figure in _measure(ground, options, database)]


def _measure(ground: Ground, options: Options, database: str) -> Iterator[Figure]:
    rate, seconds = (QUICK_RATE, QUICK_SECONDS) if options.quick else (RATE, SECONDS)
    rows = min(options.rows, QUICK_ROWS) if options.quick else options.rows
    stamps = ground.empty_folder() / "stamps"
    home = ground.home(database, ground.programs.stamp, str(stamps), max_concurrent=PLACES, retention__keep_runs=KEPT)
    home.add_tasks(rate * seconds)
    history, turns = _History(home), {True: _Turns(), False: _Turns()}
    cleanups: list[Mapping[str, Any]] = []
    for repeat in range(options.repeats):
        options.say(f"cleanup, {database}: repeat {repeat + 1} of {options.repeats}, {rows:,} old rows")
        history.fill(rows)
        # One order and the other by turns: what comes second finds another machine.
        for with_it in (True, False) if repeat % 2 else (False, True):
            cleanups += _turn(home, stamps, turns[with_it], rate, seconds, with_it=with_it)
    home.connection.close()
    yield from _figures(database, f"Clean-up of {rows:,} old runs, {rate} tasks a second", turns, cleanups)


def _turn(
    home: Home, stamps: Path, turns: _Turns, rate: int, seconds: int, *, with_it: bool
) -> Iterator[Mapping[str, Any]]:
    """Run the tasks once, one after the other; with the clean-up only those count that came before its end."""
    stamps.write_bytes(b"")
    with home.master():
        slots = home.make_due(rate * seconds, apart=timedelta(seconds=1) / rate)
        time.sleep(max(0.0, (min(slots.values()) - datetime.now(UTC)).total_seconds()))
        cleanup = _Cleanup(home) if with_it else None
        if cleanup:
            yield cleanup.result()
        until = cleanup.ended_at if cleanup else max(slots.values())
        time.sleep(max(0.0, (max(slots.values()) - datetime.now(UTC)).total_seconds()))
        _wait_until_started(home, stamps, len(slots))
    started = read_stamps(stamps)
    late = sorted((at - slots[task]) / timedelta(milliseconds=1) for task, at in started if slots[task] <= until)
    turns.p99.append(quantile(late, 0.99))
    turns.miscounted.append(float(miscounted([task for task, _ in started], slots)))


def _wait_until_started(home: Home, stamps: Path, count: int) -> None:
    """Wait until all have started; of what is recorded the clean-up takes away, so that cannot be counted."""
    ends_at = time.monotonic() + 180
    while stamps.read_bytes().count(b"\n") < count:
        if home.at_work is not None:
            home.at_work.require_alive()
        if time.monotonic() > ends_at:
            raise TimeoutError(f"not all tasks were started; see {home.folder}")
        time.sleep(0.1)


class _Cleanup:
    """A clean-up under way."""

    def __init__(self, home: Home) -> None:
        self._began = time.monotonic()
        self.ended_at = datetime.now(UTC)
        self._process = subprocess.Popen(
            # As the built-in task is run.
            ["nice", "-n", "10", *COMMAND],
            env=home.environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )

    def result(self) -> Mapping[str, Any]:
        """Wait for its end; return what it says of executions, and how long it took in all."""
        printed, _ = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(f"the clean-up failed: {printed.decode()}")
        self.ended_at = datetime.now(UTC)
        steps = {step["step"]: step for step in json.loads(printed)["steps"]}
        longest = max(step["longest_lock_ms"] for step in steps.values())
        seconds = time.monotonic() - self._began
        return {"rows": steps["executions"]["count"], "longest": longest, "seconds": seconds}


def _figures(
    database: str, section: str, turns: Mapping[bool, _Turns], cleanups: Sequence[Mapping[str, Any]]
) -> Iterator[Figure]:
    def figure(quantity: str, unit: str, values: Sequence[float], target: Target | None = None) -> Figure:
        return Figure(section=section, subject=database, quantity=quantity, unit=unit, values=values, target=target)

    yield figure("p99 of lateness without it", "ms", turns[False].p99)
    yield figure("p99 of lateness with it", "ms", turns[True].p99)
    ratios = [one / other for one, other in zip(turns[True].p99, turns[False].p99, strict=True)]
    yield figure("p99 with, against without", "x", ratios, Target(1.5))
    longest = [each["longest"] for each in cleanups]
    yield figure("longest lock held", "ms", longest, Target(LONGEST_MILLISECONDS[database]))
    yield figure("rows deleted", "rows/s", [each["rows"] / each["seconds"] for each in cleanups])
    wrong = [one + other for one, other in zip(turns[True].miscounted, turns[False].miscounted, strict=True)]
    yield figure("lost or twice", "runs", wrong, Target(0))
