"""What no run causes, until it is mailed: a finding of `smart-cron health`, a job elsewhere that reports a failure.

Both are processes of their own; the master is told by nobody.
"""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from tests.notify.sinks import mail_server

from benchmarks.databases import instant
from benchmarks.house import Ground, Home
from benchmarks.lateness import quantile
from benchmarks.mailboxes import TimedMailbox
from benchmarks.options import Options
from benchmarks.processes import wait_until
from benchmarks.programs import TRUE
from benchmarks.report import Figure, Target

TIMES, QUICK_TIMES = 10, 1
SECONDS = 60.0
PROGRAM = (sys.executable, "-m", "smart_cron")
# Any disk is full by this measure.
FULL = {"health__disk_warning_percent": 0.001, "health__disk_critical_percent": 0.001}


def measure_elsewhere(ground: Ground, options: Options, database: str) -> Iterator[Figure]:
    """Measure from the alert's row to the mail server, one event after the other."""
    times = QUICK_TIMES if options.quick else TIMES
    box = TimedMailbox()
    with mail_server(box):
        home = _home(ground, database, box.port)
        with home.master(), _dashboard(home) as base:
            options.say(f"alerts, {database}: {times} findings of health and pings")
            waits = {
                "a critical finding of health": [_wait(home, box, lambda: _look(home)) for _ in range(times)],
                "/ping/KEY/fail": [_wait(home, box, _reporter(home, base, number)) for number in range(times)],
            }
        home.connection.close()
    for quantity, seconds in waits.items():
        yield from _figures(database, quantity, sorted(seconds))


def _figures(database: str, quantity: str, seconds: list[float]) -> Iterator[Figure]:
    for name, share in (("median", 0.5), ("longest", 1.0)):
        yield Figure(
            section="Mail on what no run causes",
            subject=database,
            quantity=f"{quantity}, {name}",
            unit="s",
            values=[quantile(seconds, share)],
            target=Target(2.0),
        )


def _home(ground: Ground, database: str, port: int) -> Home:
    mail = {"alert_email": "ops@example.com", "smtp__host": "127.0.0.1", "smtp__port": port}
    return ground.home(database, TRUE, **mail, **FULL, alerts__fold_seconds=1)


def _wait(home: Home, box: TimedMailbox, cause: Callable[[], None]) -> float:
    """Return how long the mail of one event took. Afterwards it is over by a person's doing, which nobody is told."""
    before = len(box.came_at)
    cause()
    wait_until(lambda: len(box.came_at) > before, what="the mail", seconds=SECONDS, pause=0.05)
    raised_at = _newest_alert(home)
    home.connection.execute("UPDATE smart_cron_alerts SET resolved = 1, resolved_at = created_at")
    return (box.came_at[before] - raised_at).total_seconds()


def _newest_alert(home: Home) -> datetime:
    rows = home.connection.execute("SELECT created_at FROM smart_cron_alerts WHERE resolved = 0 ORDER BY id DESC")
    return instant(rows[0][0])


def _look(home: Home) -> None:
    subprocess.run(
        [*PROGRAM, "health", "--json"], env=home.environment, capture_output=True, check=False, timeout=SECONDS
    )


def _reporter(home: Home, base: str, number: int) -> Callable[[], None]:
    added = _called(home, "ping", "add", f"job-{chr(ord('a') + number)}", "--every", "1d")
    key = re.search(r"/ping/([\w-]+)", added)
    assert key is not None, added

    def report() -> None:
        with urllib.request.urlopen(f"{base}/ping/{key[1]}/fail", timeout=SECONDS) as answer:
            answer.read()

    return report


def _called(home: Home, *arguments: str) -> str:
    done = subprocess.run([*PROGRAM, *arguments], env=home.environment, capture_output=True, text=True, check=True)
    return done.stdout


@contextmanager
def _dashboard(home: Home) -> Iterator[str]:
    """Serve on a port of its own; yield the address."""
    errors = home.folder / "dashboard.err"
    with errors.open("wb") as file:
        process = subprocess.Popen(
            [*PROGRAM, "dashboard", "--port", "0"], env=home.environment, stdout=file, stderr=file
        )
    try:
        wait_until(lambda: _address(errors.read_text()) is not None, what="the dashboard", seconds=SECONDS)
        yield str(_address(errors.read_text()))
    finally:
        process.terminate()
        process.wait(SECONDS)


def _address(said: str) -> str | None:
    found = re.search(r"http://127\.0\.0\.1:\d+", said)
    return found[0] if found else None
