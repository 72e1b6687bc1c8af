"""Alerts: how soon a failure reaches the mail server, how many mails a storm makes, what a server that hangs costs."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from itertools import permutations
from pathlib import Path

from tests.notify.sinks import Mailbox, mail_server, peer

from benchmarks.databases import instant
from benchmarks.elsewhere import measure_elsewhere
from benchmarks.house import Ground, Home
from benchmarks.lateness import quantile
from benchmarks.mailboxes import TimedMailbox
from benchmarks.masters import MasterProcess
from benchmarks.options import Options
from benchmarks.processes import wait_until
from benchmarks.report import Figure, Target

FALSE = Path("/bin/false")
# Words without a number: each task fails for a cause of its own, so that no mail waits for another.
OWN_CAUSE = """\
#!/bin/sh
echo "no $(echo "$SMART_CRON_TASK" | tr '0-9' 'a-j') today" >&2
exit 1
"""
MAILS, QUICK_MAILS = 20, 2
STORM, QUICK_STORM = 10_000, 50
STORM_SECONDS, QUICK_STORM_SECONDS = 60.0, 1.0
FOLD_SECONDS = 60
CROWD, QUICK_CROWD = 1_000, 50
FAILS = {"failure_threshold": "1"}

Opened = AbstractContextManager[int]


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure on each database."""
    return [figure for database in options.databases for figure in _measure(ground, options, database)]


def _measure(ground: Ground, options: Options, database: str) -> Iterator[Figure]:
    yield from _latency(ground, options, database)
    yield from measure_elsewhere(ground, options, database)
    yield from _storm(ground, options, database)
    yield from _hanging(ground, options, database)


# from the event to the mail server -------------------------------------------------------------------------


def _latency(ground: Ground, options: Options, database: str) -> Iterator[Figure]:
    count = QUICK_MAILS if options.quick else MAILS
    box = TimedMailbox()
    with mail_server(box):
        home = _home(ground, database, _own_cause(ground), box.port)
        home.add_tasks(count, columns=FAILS)
        with home.master():
            home.make_due(count, apart=timedelta(seconds=1))
            wait_until(lambda: len(box.came_at) >= count, what="the mails", seconds=120, pause=0.1)
        waits = sorted((came_at - ended_at).total_seconds() for came_at, ended_at in _pairs(home, box))
        home.connection.close()
    for name, share in (("median", 0.5), ("longest", 1.0)):
        yield Figure(
            section="Mail on failures, one each second",
            subject=database,
            quantity=f"from the end of a run to the mail server, {name}",
            unit="s",
            values=[quantile(waits, share)],
            target=Target(2.0),
        )


def _pairs(home: Home, box: TimedMailbox) -> Iterator[tuple[datetime, datetime]]:
    ended = home.connection.execute("SELECT task_name, completed_at FROM smart_cron_executions")
    mails = [
        (str(message_from_bytes(envelope[2])["Subject"]), came_at)
        for envelope, came_at in zip(box.envelopes, box.came_at, strict=True)
    ]
    for name, completed_at in ended:
        yield next(at for subject, at in mails if name in subject.replace(":", " ").split()), instant(completed_at)


def _own_cause(ground: Ground) -> Path:
    path = ground.folder / "own_cause"
    path.write_text(OWN_CAUSE, encoding="utf-8")
    path.chmod(0o755)
    return path


# a storm ---------------------------------------------------------------------------------------------------


def _storm(ground: Ground, options: Options, database: str) -> Iterator[Figure]:
    count, seconds = (QUICK_STORM, QUICK_STORM_SECONDS) if options.quick else (STORM, STORM_SECONDS)
    options.say(f"alerts, {database}: {count} failures with one cause")
    box = TimedMailbox()
    fold = 1 if options.quick else FOLD_SECONDS
    with mail_server(box):
        home = _home(ground, database, FALSE, box.port, alerts__fold_seconds=fold)
        home.add_tasks(count, columns=FAILS)
        with home.master():
            home.make_due(count, apart=timedelta(seconds=seconds) / count)
            home.wait_until_ended(count, seconds=600)
            wait_until(lambda: _all_told(home, count), what="all to be told", seconds=300, pause=0.5)
        told = home.connection.execute("SELECT SUM(alert_count) FROM smart_cron_deliveries WHERE status = 'sent'")
        home.connection.close()
    section = f"{count:,} failures with one cause within {seconds:g} s"
    mails = float(len(box.came_at))
    yield Figure(section=section, subject=database, quantity="mails", unit="mails", values=[mails], target=Target(5))
    missing = float(count - int(told[0][0] or 0))
    yield Figure(
        section=section, subject=database, quantity="told of by no mail", unit="failures", values=[missing],
        target=Target(0),
    )  # fmt: skip


def _all_told(home: Home, count: int) -> bool:
    untold = "SELECT COUNT(*) FROM smart_cron_alerts WHERE untold = 1"
    raised = "SELECT COUNT(*) FROM smart_cron_alerts WHERE alert_type = 'consecutive_failures'"
    waiting = "SELECT COUNT(*) FROM smart_cron_deliveries WHERE status = 'pending'"
    ask = home.connection.number
    return ask(raised) >= count and ask(untold) == 0 and ask(waiting) == 0


# a server that hangs ---------------------------------------------------------------------------------------


@dataclass
class _Cost:
    """CPU milliseconds a run, and the 99th percentile of lateness in milliseconds, once a repeat."""

    cpu: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)


def _hanging(ground: Ground, options: Options, database: str) -> Iterator[Figure]:
    ways: dict[str, Callable[[], Opened]] = {"takes mail": _good_server, "hangs": _hanging_server}
    costs = {name: _Cost() for name in ways}
    orders = list(permutations(ways))
    for repeat in range(options.repeats):
        options.say(f"alerts, {database}: repeat {repeat + 1} of {options.repeats}")
        # One order and the other by turns: what comes second finds another machine.
        for name in orders[repeat % len(orders)]:
            with ways[name]() as port:
                _crowd(ground, options, database, port, costs[name])
    yield from _cost_figures(database, costs, QUICK_CROWD if options.quick else CROWD)


def _cost_figures(database: str, costs: dict[str, _Cost], count: int) -> Iterator[Figure]:
    section = f"{count:,} failures at once, and a mail server that hangs"
    good, bad = costs["takes mail"], costs["hangs"]

    def figure(quantity: str, unit: str, values: list[float]) -> Figure:
        return Figure(section=section, subject=database, quantity=quantity, unit=unit, values=values)

    for name, cost in costs.items():
        yield figure(f"CPU, server {name}", "ms/run", cost.cpu)
        yield figure(f"p99 of lateness, server {name}", "ms", cost.late)
    yield figure("CPU, hanging against taking", "x", [b / g for b, g in zip(bad.cpu, good.cpu, strict=True)])
    yield figure(
        "p99 of lateness, hanging against taking", "x", [b / g for b, g in zip(bad.late, good.late, strict=True)]
    )


def _crowd(ground: Ground, options: Options, database: str, port: int, cost: _Cost) -> None:
    count = QUICK_CROWD if options.quick else CROWD
    home = _home(ground, database, FALSE, port)
    home.add_tasks(count, columns=FAILS)
    with home.master() as master:
        slots = home.make_due(count)
        before = _cpu_until_due(master, min(slots.values()))
        home.wait_until_ended(count)
        cost.cpu.append((master.cpu_seconds() - before) * 1000 / count)
    rows = home.connection.execute("SELECT scheduled_for, started_at FROM smart_cron_executions")
    late = sorted((instant(at) - instant(slot)).total_seconds() * 1000 for slot, at in rows)
    cost.late.append(quantile(late, 0.99))
    home.connection.close()


def _cpu_until_due(master: MasterProcess, slot: datetime) -> float:
    time.sleep(max(0.0, (slot - datetime.now(UTC)).total_seconds() - 0.2))
    return master.cpu_seconds()


@contextmanager
def _good_server() -> Iterator[int]:
    with mail_server(Mailbox()) as box:
        yield box.port


@contextmanager
def _hanging_server() -> Iterator[int]:
    with peer(_say_nothing) as server:
        yield server.port


def _say_nothing(connection: socket.socket) -> None:
    connection.settimeout(None)
    while connection.recv(1024):
        pass


def _home(ground: Ground, database: str, script: Path, port: int, **settings: object) -> Home:
    mail = {"alert_email": "ops@example.com", "smtp__host": "127.0.0.1", "smtp__port": port}
    return ground.home(database, script, **mail, **settings)
