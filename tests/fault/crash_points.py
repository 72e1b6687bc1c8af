"""Stands for `smart-cron` in tests: the same program, but one of its processes kills itself at a named point, once.

    python crash_points.py WHO:NAME:WHEN[:N][+WHO:…] MARKER master
    WHO    master, runner, supervisor or dashboard; or database: then the master kills the database's server, whose pid
           stands in MARKER.server; or frozen: then the master stops itself (SIGSTOP) and claims for LAUNCH_WINDOW only
    NAME   a function or method, as listed below
    WHEN   before or after the call; for the master's ports also `precommit` and `commit`: right before and right after
           the COMMIT of the transaction in which it was called
    N      at the how manieth time; 1 if it is left out

MARKER is a file that does not exist yet; it gets the pid of who died, and nobody dies as long as it is there, nor
before there is a file MARKER.armed. With several points they are MARKER.0, MARKER.1 and so on. Nothing of this is in
the product: the points are put around its functions from here.
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

LAUNCH_WINDOW = timedelta(seconds=1)
SOURCE = Path(__file__).resolve().parents[2] / "src"
# Ports and what the engine does between them: module, class, method.
MASTER_POINTS = (
    ("store.plans", "Plans", "save_plans"),
    ("store.claims", "Claims", "claim"),
    ("store.records", "Records", "mark_running"),
    ("store.records", "Records", "settle"),
    ("store.records", "Records", "heal_projections"),
    ("engine.launcher", "RunnerLauncher", "launch"),
    ("engine.launcher", "RunnerLauncher", "poll"),
    ("engine.launcher", "RunnerLauncher", "discard"),
)
DASHBOARD_POINTS = (("store.pings", "Pings", "record"), ("store.pings", "Pings", "_noted"))
RUNNER_POINTS = (
    ("taskrunner.runner", "Runner", "_on_launch"),
    ("taskrunner.runner", "Runner", "_assign"),
    ("taskrunner.runner", "Runner", "_hear"),
    ("taskrunner.runner", "Runner", "_on_release"),
    ("taskrunner.pool", "Seat", "send_order"),
    ("taskrunner.clients", "ClientDesk", "publish"),
    ("taskrunner.supervisor", "", "take"),
    ("taskrunner.supervisor", "", "spawn_plan"),
    ("taskrunner.supervisor", "Supervisor", "_write_started"),
    ("taskrunner.supervisor", "Supervisor", "_announce"),
    ("taskrunner.supervisor", "Supervisor", "_tell"),
    ("taskrunner.run", "", "spawn"),
    ("taskrunner.run", "Run", "begin"),
    ("taskrunner.run", "Run", "finish_record"),
    ("taskrunner.output", "OutputWriter", "write"),
    ("taskrunner.output", "OutputWriter", "close"),
    ("taskrunner.records", "HeldFile", "append_finish"),
)


class CrashPoint:
    """Where to die. `reached` is called at every point by every process."""

    def __init__(self, spec: str, marker: str) -> None:
        self.who, self.name, self.when, *number = spec.split(":")
        self._left = int(number[0]) if number else 1
        self._marker = marker

    def reached(self, name: str, when: str, who: str) -> None:
        """Die here, if this is the place and nobody died yet."""
        wanted = ("master" if self.who in ("database", "frozen") else self.who, self.name, self.when)
        if (who, name, when) != wanted or not os.path.exists(f"{self._marker}.armed"):
            return
        self._left -= 1
        if self._left > 0:
            return
        try:
            marker = os.open(self._marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            return
        victim = os.getpid() if self.who != "database" else self._server_pid()
        os.write(marker, str(victim).encode())
        os.kill(victim, signal.SIGSTOP if self.who == "frozen" else signal.SIGKILL)

    def _server_pid(self) -> int:
        return int(Path(self._marker).with_suffix(".server").read_text())


class CrashPoints:
    """All that were asked for."""

    def __init__(self, specs: str, marker: str) -> None:
        several = specs.split("+")
        markers = [marker] if len(several) == 1 else [f"{marker}.{number}" for number in range(len(several))]
        self._points = [CrashPoint(spec, own) for spec, own in zip(several, markers, strict=True)]

    @property
    def freezes(self) -> bool:
        return any(point.who == "frozen" for point in self._points)

    def reached(self, name: str, when: str, who: str) -> None:
        for point in self._points:
            point.reached(name, when, who)


def put_around(point: CrashPoints, module: str, owner: str, method: str, who: Callable[[], str]) -> str:
    """Put a point before and after one function; return its name in a spec."""
    place = importlib.import_module(f"smart_cron.{module}")
    target = getattr(place, owner) if owner else place
    name = f"{owner or module.rpartition('.')[2]}.{method}"
    original = getattr(target, method)

    @functools.wraps(original)
    def wrapped(*args: Any, **keywords: Any) -> Any:
        point.reached(name, "before", who())
        answer = original(*args, **keywords)
        point.reached(name, "after", who())
        CALLED.add(name)
        return answer

    setattr(target, method, wrapped)
    # The runner looks its requests up in a table of its own.
    table = getattr(target, "_requests", {})
    table.update({key: wrapped for key, value in table.items() if value is original})
    return name


# The points passed in the transaction that is open.
CALLED: set[str] = set()


def put_around_commits(point: CrashPoints, who: str) -> None:
    """Put points around the COMMIT of this process's transactions."""
    from smart_cron.store.session import Session

    original = Session.transaction

    @contextmanager
    def transaction(self: Session) -> Iterator[None]:
        if self.connection.in_atomic_block:
            yield
            return
        CALLED.clear()
        with original(self):
            yield
            passed = set(CALLED)
            for name in passed:
                point.reached(name, "precommit", who)
        for name in passed:
            point.reached(name, "commit", who)

    Session.transaction = transaction  # type: ignore[method-assign]


def be_master(point: CrashPoints, words: list[str]) -> None:
    """Call the command line with these words; task runners that it starts are of this file, too."""
    import django.conf  # noqa: F401 - models want it before the store's rooms

    from smart_cron.taskrunner import client

    original = client.runner_command

    def runner_command(**keywords: Any) -> list[str]:
        python, options, _, *rest = original(**keywords)
        return [python, options, __file__, *sys.argv[1:3], *rest]

    client.runner_command = runner_command
    if point.freezes:
        from smart_cron.engine import claimer

        claimer.LAUNCH_WINDOW = LAUNCH_WINDOW
    put_around_commits(point, "master")
    for module, owner, method in MASTER_POINTS:
        put_around(point, module, owner, method, lambda: "master")
    call(words)


def be_dashboard(point: CrashPoints, words: list[str]) -> None:
    """Serve."""
    import django.conf  # noqa: F401 - models want it before the store's rooms

    put_around_commits(point, "dashboard")
    for module, owner, method in DASHBOARD_POINTS:
        put_around(point, module, owner, method, lambda: "dashboard")
    call(words)


def call(words: list[str]) -> None:
    from smart_cron.faces.cli.main import main

    main(words)


def be_runner(point: CrashPoints, words: list[str]) -> None:
    """Be the task runner, whose forks are the supervisors."""
    sys.path.append(str(SOURCE))
    # As its own entry does: the package without its `__init__`.
    package = sys.modules["smart_cron"] = type(sys)("smart_cron")
    package.__path__ = [str(SOURCE / "smart_cron")]
    from smart_cron.taskrunner import __main__ as entry
    from smart_cron.taskrunner import daemon

    original = daemon._serve
    runner = [0]

    def serve(*args: Any) -> None:
        # After the forks of its start.
        runner[0] = os.getpid()
        original(*args)

    daemon._serve = serve
    for module, owner, method in RUNNER_POINTS:
        put_around(point, module, owner, method, lambda: "runner" if os.getpid() == runner[0] else "supervisor")
    entry.main(words)


def main() -> None:
    point, words = CrashPoints(*sys.argv[1:3]), sys.argv[3:]
    if "task-runner" in words:
        be_runner(point, words[words.index("task-runner") + 1 :])
    elif "dashboard" in words:
        be_dashboard(point, words)
    else:
        be_master(point, words)


if __name__ == "__main__":
    main()
