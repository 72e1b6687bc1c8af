"""How long `smart-cron health` takes as a whole process: on a machine that is well, and on one on which things hang.

What hangs is a database server that is frozen (it takes connections and never answers) and the mount of the backups;
where none can be made, a file whose opening waits for ever. SQLite has no server to freeze: there the mount alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.house import Ground, Home
from benchmarks.mounts import hanging_mount, mounts_can_hang
from benchmarks.options import Options
from benchmarks.programs import TRUE
from benchmarks.report import Figure, Target

SECTION = "Health: all checks, rows, alerts and log, from the command's start to its end"
HEALTHY, HANGING = Target(2), Target(10)
DEADLINE_SECONDS = 120


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure each database, well and hanging."""
    return [figure for database in options.databases for figure in _measure(ground, options, database)]


def _measure(ground: Ground, options: Options, database: str) -> Iterator[Figure]:
    options.say(f"health, {database}")
    home = ground.home(database, TRUE)
    home.connection.close()
    repeats = range(1 if options.quick else options.repeats)
    yield _figure(database, "healthy", [_seconds(home, {}) for _ in repeats], HEALTHY)
    if not options.quick:
        with _hanging(ground, home, database) as settings:
            yield _figure(database, "database and a mount hang", [_seconds(home, settings) for _ in repeats], HANGING)


def _figure(database: str, quantity: str, values: list[float], target: Target) -> Figure:
    return Figure(section=SECTION, subject=database, quantity=quantity, unit="s", values=values, target=target)


def _seconds(home: Home, settings: Mapping[str, str]) -> float:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "smart_cron", "health", "--json"],
        env={**home.environment, **settings},
        capture_output=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )
    seconds = time.monotonic() - began
    if not done.stdout:
        raise RuntimeError(f"health said nothing in {home.folder}:\n{done.stderr.decode()}")
    return seconds


@contextmanager
def _hanging(ground: Ground, home: Home, database: str) -> Iterator[Mapping[str, str]]:
    server = None if database == "sqlite" else ground.databases.server(database)
    with _hanging_folder(home) as settings:
        if server is not None:
            server.freeze()
        try:
            yield settings
        finally:
            if server is not None:
                server.thaw()


@contextmanager
def _hanging_folder(home: Home) -> Iterator[Mapping[str, str]]:
    if mounts_can_hang():
        with hanging_mount(home.folder / "mount") as path:
            yield {"SMART_CRON_BACKUP_DIR": str(path)}
    else:
        path = home.folder / "hangs.pem"
        os.mkfifo(path)
        yield {"SMART_CRON_HEALTH__CERTIFICATES": json.dumps([str(path)])}
