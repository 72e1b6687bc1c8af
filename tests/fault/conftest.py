"""Homes that are harmed, each a copy of one that was made once, and the verdict on what became of them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from benchmarks.chaos_ground import Ground
from benchmarks.chaos_nodes import MASTER, Node
from benchmarks.chaos_run import ChaosRun, Plan
from benchmarks.chaos_tasks import TaskPlan, far_pattern, own_runs
from benchmarks.chaos_verdict import Verdict
from benchmarks.databases import Databases, open_databases
from tests import warm

Node.Process = warm.Fork

GroundMaker = Callable[..., Ground]
# Longer than any test takes: what it waits for ends it before.
PATIENCE_SECONDS = 60.0
CRASH_POINTS = Path(__file__).with_name("crash_points.py")


@pytest.fixture(scope="module")
def databases() -> Iterator[Databases]:
    with open_databases() as opened:
        yield opened


@pytest.fixture(scope="module")
def unused(databases: Databases) -> Iterator[Path]:
    """A node on SQLite in which nothing has happened yet, to be copied."""
    ground = Ground(databases, database="sqlite")
    yield ground.folder
    ground.close()


@pytest.fixture
def make_ground(databases: Databases, unused: Path) -> Iterator[GroundMaker]:
    """Make a ground, on SQLite unless told otherwise; what still runs there is ended with the test."""
    made: list[Ground] = []

    def make(
        command: Sequence[str] = MASTER,
        *,
        database: str = "sqlite",
        masters: int = 1,
        **settings: str,
    ) -> Ground:
        # What is set may be another place: then it is made anew.
        moved = any(name.endswith("_DIR") for name in settings)
        like = unused if database == "sqlite" and masters == 1 and not moved else None
        ground = Ground(
            databases,
            database=database,
            masters=masters,
            command=command,
            settings=settings,
            like=like,
        )
        made.append(ground)
        return ground

    yield make
    for ground in made:
        ground.close()


def crashing(spec: str, marker: Path) -> list[str]:
    """Return what stands for `smart-cron` and dies at that point."""
    return [sys.executable, str(CRASH_POINTS), spec, str(marker)]


def armed(marker: Path) -> Callable[[], bool]:
    """Return what says whether somebody died; nobody does before it is asked for the first time."""

    def has_died() -> bool:
        marker.with_name(f"{marker.name}.armed").touch()
        return marker.exists()

    return has_died


def some_tasks() -> list[TaskPlan]:
    """Tasks of every kind that a crash could harm: overlapping, queued, retried, tried again when lost."""
    pattern = far_pattern(datetime.now(UTC))
    kinds = (("skip", 0, False), ("queue", 1, True), ("replace", 0, False), ("allow", 1, True))
    return [
        TaskPlan(
            name=f"chaos_{number}",
            pattern=pattern,
            on_overlap=on_overlap,
            on_missed="latest",
            max_retries=max_retries,
            retry_lost=retry_lost,
            priority=5,
        )
        for number, (on_overlap, max_retries, retry_lost) in enumerate(kinds * 2, start=1)
    ]


def chaos_run(ground: Ground, *, enough: Callable[[], bool]) -> ChaosRun:
    """Return a run without faults of its own, which ends once there was *enough*."""
    tasks = some_tasks()
    ground.insert(tasks)
    plan = Plan(seed=1, seconds=PATIENCE_SECONDS, tasks=tasks, faults=(), slots_per_second=20, enough=enough)
    return ChaosRun(ground, plan, say=lambda _: None)


# One fault in the middle of a run -----------------------------------------------------------------------------------

# So many runs must have ended before the fault, and as many again after it.
RUNS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """*harm* is done, and undone by what it returned once it has been *noticed*."""

    harm: Callable[[], Callable[[], object]]
    noticed: Callable[[], bool]


def through(ground: Ground, *mishaps: Mishap) -> Verdict:
    """Return the verdict on a run into which these come while work is under way, one after the other.

    After each of them work must go on.
    """

    def story() -> Iterator[None]:
        for mishap in mishaps:
            yield from until(more_ends(ground))
            undo = mishap.harm()
            yield from until(mishap.noticed)
            undo()
        yield from until(more_ends(ground))

    steps, over = story(), object()
    run = chaos_run(ground, enough=lambda: next(steps, over) is over)
    run.play()
    assert next(steps, over) is over, f"the story did not come to its end; the log says {log_of(ground)[-5:]}"
    assert not run.report.own_ends
    return run.verdict()


def until(holds: Callable[[], bool]) -> Iterator[None]:
    """Be a part of a story: go on once this holds."""
    while not holds():
        yield


def more_ends(ground: Ground) -> Callable[[], bool]:
    """Return what says whether as many runs have ended since now as lie between two faults."""
    wanted = _ends(ground) + RUNS
    return lambda: _ends(ground) >= wanted


def lasting(seconds: float, noticed: Callable[[], bool] = lambda: True) -> Callable[[], bool]:
    """Say yes once it was noticed and so many seconds have passed since the first question."""
    ends: list[float] = []

    def is_over() -> bool:
        if not ends:
            ends.append(time.monotonic() + seconds)
        return time.monotonic() > ends[0] and noticed()

    return is_over


def _ends(ground: Ground) -> int:
    return sum(one.code is not None for one in own_runs(ground.records).values())


def own_starts(ground: Ground) -> int:
    """Return how many runs tell of their start themselves."""
    return sum(bool(one.starts) for one in own_runs(ground.records).values())


def log_of(ground: Ground) -> list[dict[str, Any]]:
    """Return what the first node's master has logged."""
    files = sorted(ground.nodes[0].log_dir.glob("master-*.log"))
    return [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]


def said(ground: Ground, message: str) -> list[dict[str, Any]]:
    """Return the entries of the log with this message."""
    return [entry for entry in log_of(ground) if entry["message"] == message]


def undo_of_database(ground: Ground, kind: str) -> Callable[[], object]:
    undo = ground.harm.do(kind)
    assert undo is not None
    return undo
