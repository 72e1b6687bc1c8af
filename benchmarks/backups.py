"""What it costs to prove a backup: backup and verify of many executions, against the bare dump and load."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from benchmarks.house import Ground, Home
from benchmarks.options import Options
from benchmarks.programs import TRUE
from benchmarks.report import Figure, Target

SECTION = "Backup and verify of {:,} executions"
QUICK_EXECUTIONS = 2_000
FILLED_AT_ONCE = 100_000
FILL = """
    INSERT INTO smart_cron_executions (task_id, task_name, started_at, completed_at, execution_time, exit_code, success,
        status, scheduled_for, node, incarnation, run_id, stdout_output, output_path, output_bytes, allowed_seconds)
    WITH RECURSIVE numbers (i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM numbers WHERE i < {last})
    SELECT i % 500, {name}, {at}, {at}, 0.25, 0, 1, 'success', {at}, 'node-1',
        '5f0c2f4e-8f1e-4a2b-9d50-0a8f6a3f2c11:7d9f', {run}, 'ok: 42 rows imported, it''s done', {path}, 35, 3610
      FROM numbers"""
WORDS = {
    "sqlite": (
        "'task_' || (i % 500)",
        "datetime(1700000000 + i, 'unixepoch')",
        "printf('%036d', i)",
        "'/var/log/x/' || i",
    ),
    "mariadb": (
        "CONCAT('task_', i % 500)",
        "FROM_UNIXTIME(1700000000 + i)",
        "LPAD(i, 36, '0')",
        "CONCAT('/var/log/x/', i)",
    ),
    "postgresql": (
        "'task_' || (i % 500)",
        "to_timestamp(1700000000 + i)",
        "lpad(CAST(i AS text), 36, '0')",
        "'/var/log/x/' || i",
    ),
}


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure on each database."""
    return [figure for database in options.databases for figure in _measure(ground, options, database)]


def _measure(ground: Ground, options: Options, database: str) -> Iterator[Figure]:
    count = min(options.rows, QUICK_EXECUTIONS) if options.quick else options.rows
    home = ground.home(database, TRUE)
    _fill(home, count)
    bare = _bare(ground, home)
    ours: list[float] = []
    theirs: list[float] = []
    peaks: list[float] = []
    for repeat in range(options.repeats):
        options.say(f"backups, {database}: repeat {repeat + 1} of {options.repeats}")
        # Whichever comes second meets warmer caches: they take turns.
        for is_ours in (True, False) if repeat % 2 else (False, True):
            if is_ours:
                seconds, peak = _proven(home)
                ours.append(seconds)
                peaks.append(peak)
            else:
                theirs.append(bare())
    home.connection.close()
    section = SECTION.format(count)

    def figure(quantity: str, unit: str, values: Sequence[float], target: Target | None = None) -> Figure:
        return Figure(section=section, subject=database, quantity=quantity, unit=unit, values=values, target=target)

    yield figure("bare dump and load", "s", theirs)
    yield figure("backup and verify", "s", ours)
    yield figure("against the bare ones", "x", [a / b for a, b in zip(ours, theirs, strict=True)], Target(3))
    yield figure("peak memory", "MB", peaks, Target(300))


def _fill(home: Home, count: int) -> None:
    name, at, run, path = WORDS[home.database.name]
    for first in range(1, count + 1, FILLED_AT_ONCE):
        last = min(first + FILLED_AT_ONCE - 1, count)
        sql = FILL.format(first=first, last=last, name=name, at=at, run=run, path=path)
        home.connection.execute(sql if home.database.name == "sqlite" else sql.replace("%", "%%"))


def _proven(home: Home) -> tuple[float, float]:
    """Return the seconds that a proven backup takes, and the largest memory of its process in MB."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "smart_cron", "backup", "create", "--json"],
        env=home.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    peak, said = _watched(process)
    seconds = time.monotonic() - began
    backup = json.loads(said)
    assert backup["status"] == "verified", backup["error"]
    for path in Path(backup["path"]).parent.glob(f"{backup['file']}*"):
        path.unlink()
    return seconds, peak


def _watched(process: subprocess.Popen[bytes]) -> tuple[float, bytes]:
    assert process.stdout is not None
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _high_water(process.pid))
        time.sleep(0.05)
    return peak, process.stdout.read()


def _high_water(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


def _bare(ground: Ground, home: Home) -> Callable[[], float]:
    """Return what dumps the database into a file and loads it into an empty one, by its own tools, timed."""
    file = ground.empty_folder() / "bare.sql"
    dump, load, prepare = {"sqlite": _sqlite, "mariadb": _mariadb, "postgresql": _postgresql}[home.database.name](
        ground, home, file
    )

    def run() -> float:
        prepare()
        began = time.monotonic()
        subprocess.run(["/bin/sh", "-c", f"{dump} > {file} && {load} < {file} > /dev/null"], check=True)
        return time.monotonic() - began

    return run


Bare = tuple[str, str, Callable[[], object]]


def _sqlite(_: Ground, home: Home, file: Path) -> Bare:
    copy = file.with_name("copy.db")
    return f"sqlite3 {home.state_dir / 'smart-cron.db'} .dump", f"sqlite3 {copy}", lambda: copy.unlink(missing_ok=True)


def _mariadb(ground: Ground, home: Home, _: Path) -> Bare:
    parts = urlsplit(home.database.url or "")
    name, socket = parts.path.strip("/"), parse_qs(parts.query)["unix_socket"][0]
    server, copy = ground.databases.server("mariadb"), f"{name}_bare"

    def prepare() -> None:
        server.drop_database(copy)
        server.create_database(copy)

    options = f"--no-defaults --socket={socket} -uroot"
    return f"mariadb-dump {options} --single-transaction {name}", f"mariadb {options} {copy}", prepare


def _postgresql(ground: Ground, home: Home, _: Path) -> Bare:
    parts = urlsplit(home.database.url or "")
    name, folder = parts.path.strip("/"), parse_qs(parts.query)["host"][0]
    server, copy = ground.databases.server("postgresql"), f"{name}_bare"

    def prepare() -> None:
        server.drop_database(copy)
        server.create_database(copy)

    options = f"-h {folder} -U postgres"
    return f"pg_dump {options} {name}", f"psql -q {options} {copy}", prepare
