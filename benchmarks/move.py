"""`db move`: rows a second from SQLite to each server and back, checks on both sides included, and its memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from benchmarks.databases import Connection, written
from benchmarks.house import Ground, Home
from benchmarks.options import Options
from benchmarks.programs import TRUE
from benchmarks.report import Figure, Target

SECTION = "Move of {} executions"
RUNS, QUICK_RUNS = 1_000_000, 2_000
ROWS_A_SECOND = Target(20_000, at_least=True)
# Ten times as many rows must not take much more: that is what flat means.
MEMORY_SHARE = Target(1.3)
PORTION = 10_000
SERVERS = ("mariadb", "postgresql")
# Prints the peak of its own memory in MB behind the command's own output.
COMMAND = """
import resource, sys
from smart_cron.faces.cli.errors import exit_code_of
from smart_cron.faces.cli.main import cli
code = exit_code_of(lambda: cli.main(args=sys.argv[1:], prog_name="smart-cron", standalone_mode=False))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, file=sys.stderr)
sys.exit(code)
"""
COLUMNS = (
    "id, task_id, task_name, started_at, completed_at, execution_time, exit_code, success, stdout_output, triggered_by,"
    " status, scheduled_for, attempt, priority, due_at, node, incarnation, run_id, claimed_at, launch_deadline,"
    " allowed_seconds, cpu_seconds, output_bytes, output_sha256, output_path"
)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure each server that was asked for, from SQLite and back to a new file."""
    servers = [name for name in options.databases if name in SERVERS]
    # The whole of the benchmarks is tried on SQLite alone: there it moves from file to file.
    return [figure for name in servers or ["sqlite"] for figure in _measure(ground, options, name)]


def _measure(ground: Ground, options: Options, name: str) -> Iterator[Figure]:
    count = QUICK_RUNS if options.quick else RUNS
    speeds: dict[str, list[float]] = {}
    peaks: dict[str, list[float]] = {}
    few: list[float] = []
    for repeat in range(options.repeats):
        options.say(f"move, {name}: repeat {repeat + 1} of {options.repeats}")
        few.append(max(peak for _, _, peak in _there_and_back(ground, name, max(count // 10, 500))))
        for way, speed, peak in _there_and_back(ground, name, count):
            speeds.setdefault(way, []).append(speed)
            peaks.setdefault(way, []).append(peak)
    section = SECTION.format(count)
    for way, values in speeds.items():
        yield Figure(section=section, subject=way, quantity="moved", unit="rows/s", values=values, target=ROWS_A_SECOND)
        yield Figure(section=section, subject=way, quantity="peak memory", unit="MB", values=peaks[way])
        shares = [peak / less for peak, less in zip(peaks[way], few, strict=True)]
        figure = "peak, against a tenth of the rows"
        yield Figure(section=section, subject=way, quantity=figure, unit="x", values=shares, target=MEMORY_SHARE)


def _there_and_back(ground: Ground, name: str, count: int) -> Iterator[tuple[str, float, float]]:
    home = ground.home("sqlite", TRUE)
    _fill(home.connection, count)
    there = _fresh(ground, home, name, "there")
    yield (f"sqlite to {name}", *_move(home, "", there))
    if name != "sqlite":
        yield (f"{name} to sqlite", *_move(home, there, _fresh(ground, home, "sqlite", "back")))
    home.connection.close()


def _fresh(ground: Ground, home: Home, name: str, file: str) -> str:
    if name == "sqlite":
        return f"sqlite://{home.folder / 'state' / file}.db"
    url = ground.databases.fresh(name).url
    assert url is not None
    return url


def _fill(connection: Connection, count: int) -> None:
    marks = ", ".join(["%s"] * len(COLUMNS.split(",")))
    for first in range(1, count + 1, PORTION):
        rows = map(_run, range(first, min(first + PORTION, count + 1)))
        connection.execute_many(f"INSERT INTO smart_cron_executions ({COLUMNS}) VALUES ({marks})", rows)


def _run(number: int) -> Sequence[object]:
    at = [written(FIRST + timedelta(seconds=number, microseconds=number * step % 1_000_000)) for step in (0, 1, 7, 13)]
    run_id = f"{number:08x}-0000-4000-8000-{number:012x}"
    head = [number, number % 100, f"task_{number % 100}", at[1], at[2], 1.5 + number % 60, 0, 1, "a line\n" * 6, "cron"]
    middle = ["success", at[0], 1, 5, at[0], "node-1", "boot:identity", run_id, at[3], 12345.678 + number, 3610]
    return [*head, *middle, 0.125, 42, "a" * 64, f"/var/log/smart-cron/output/2026-01-01/{run_id}"]


def _move(home: Home, url: str, to: str) -> tuple[float, float]:
    """Return rows a second and the peak of memory in MB."""
    environment = {**home.environment, "SMART_CRON_MOVE_TO": to}
    if url:
        environment["SMART_CRON_DATABASE__URL"] = url
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "db", "move", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    document = json.loads(done.stdout)
    return document["rows"] / document["seconds"], float(done.stderr.split()[-1])
