"""The task runner without a master: orders go in by its client, results come out."""

from __future__ import annotations

import pwd
import resource
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.house import Ground
from benchmarks.masters import stop_tree
from benchmarks.processes import listener_of, tree_cpu_seconds
from benchmarks.raw import Sample
from smart_cron import __version__
from smart_cron.core.run import Claim, Trigger
from smart_cron.core.task import Limits, TaskDefinition
from smart_cron.engine.clock import new_run_id
from smart_cron.engine.orders import OrderBook
from smart_cron.engine.settings import LAUNCH_WINDOW, EngineSettings
from smart_cron.taskrunner import runfile
from smart_cron.taskrunner.client import RunnerClient
from smart_cron.taskrunner.protocol import socket_path

# As many as the product runs at once unless told otherwise.
IN_FLIGHT = 10
# Spent run files are handed back in batches, as the master does after each commit.
RELEASE_BATCH = 50
OTHER_USER = "nobody"


def plain_task(program: Path) -> TaskDefinition:
    """Return a task with what every task gets by default."""
    return TaskDefinition(name="plain", script=str(program), schedule="@hourly")


def limited_task(program: Path) -> TaskDefinition:
    """Return a task that runs as another user, with every limit that is kept without a cgroup."""
    limits = Limits(memory_mb=256, cpu_seconds=60, open_files=256, nice=1)
    return TaskDefinition(
        name="limited", script=str(program), schedule="@hourly", run_as=OTHER_USER, working_directory="/", limits=limits
    )


def other_user_exists() -> bool:
    """Whether the machine knows the user of `limited_task`."""
    with suppress(KeyError):
        return pwd.getpwnam(OTHER_USER).pw_uid > 0
    return False


def run_alone(ground: Ground, task: TaskDefinition, *, runs: int) -> Sample:
    """Run *task* so often in a fresh state directory."""
    folder = ground.empty_folder()
    state_dir, run_dir = folder / "state", folder / "run"
    for path in (state_dir, state_dir / "runs", run_dir):
        path.mkdir(mode=0o750, parents=True)
    client = RunnerClient(state_dir=state_dir, run_dir=run_dir, version=__version__)
    client.ensure()
    runner = listener_of(Path(socket_path(str(run_dir), str(state_dir), __version__)))
    try:
        return _measured(client, runner, _orders(folder, state_dir, task, runs))
    finally:
        client.close()
        stop_tree(runner)


def _orders(folder: Path, state_dir: Path, task: TaskDefinition, runs: int) -> list[dict[str, Any]]:
    settings = EngineSettings(
        node="bench", incarnation=runfile.incarnation(state_dir), default_zone="UTC", output_root=folder / "output"
    )
    book = OrderBook(settings)
    now = datetime.now(UTC)
    deadline = time.clock_gettime(time.CLOCK_BOOTTIME) + LAUNCH_WINDOW.total_seconds() * 10
    return [
        book.order(
            Claim(
                execution_id=number,
                task_id=number,
                run_id=new_run_id(now),
                task=task,
                scheduled_for=now,
                attempt=1,
                triggered_by=Trigger.CRON,
                node=settings.node,
                incarnation=settings.incarnation,
                launch_deadline=deadline,
                claimed_at=now,
            )
        )
        for number in range(1, runs + 1)
    ]


def _measured(client: RunnerClient, runner: int, orders: list[dict[str, Any]]) -> Sample:
    cpu_before, own_before, began = tree_cpu_seconds(runner), _own_cpu(), time.monotonic()
    _run_all(client, orders)
    wall = time.monotonic() - began
    return Sample(
        runs=len(orders),
        wall_seconds=wall,
        cpu_seconds=tree_cpu_seconds(runner) - cpu_before,
        apart_cpu_seconds=_own_cpu() - own_before,
    )


def _run_all(client: RunnerClient, orders: list[dict[str, Any]]) -> None:
    """Keep IN_FLIGHT orders with the task runner until all have ended well."""
    waiting = orders[::-1]
    spent: list[str] = []
    free, ended = IN_FLIGHT, 0
    while ended < len(orders):
        if free and waiting:
            batch = [waiting.pop() for _ in range(min(free, len(waiting)))]
            client.launch(batch)
            free -= len(batch)
        over = [_run_id_of_good_end(event) for event in client.poll(10) if event["event"] != "started"]
        ended, free = ended + len(over), free + len(over)
        spent += over
        if len(spent) >= RELEASE_BATCH:
            client.release(spent)
            spent = []


def _run_id_of_good_end(event: dict[str, Any]) -> str:
    if event["event"] != "finished" or event["exit_code"] != 0:
        raise RuntimeError(f"a run did not end well: {event}")
    return str(event["run_id"])


def _own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
