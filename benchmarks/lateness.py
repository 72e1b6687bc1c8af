"""How late tasks start after their slot, as they see it themselves; and whether each started once, in order."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from benchmarks.databases import instant
from benchmarks.house import Ground, Home
from benchmarks.options import Options
from benchmarks.programs import TRUE
from benchmarks.raw import run_raw
from benchmarks.report import Figure, Target

SECTION = "Lateness of starts on {}, by the tasks' own clock"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
# Spreads priorities 1 to 10 over the tasks so that their order of creation says nothing.
MIXED_PRIORITY = "1 + (i * 7) % 10"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """So many tasks, all due at once or every `apart`."""

    tasks: int
    max_concurrent: int = 10
    apart: timedelta = timedelta()
    targets: dict[str, Target] = field(default_factory=dict)
    # p99 in units of what the raw loop takes for as many starts.
    against_raw: Target | None = None
    mixed_priorities: bool = False

    @property
    def name(self) -> str:
        if self.apart:
            return f"quiet, {timedelta(seconds=1) / self.apart:g} tasks a second"
        places = "" if self.max_concurrent == 10 else f", {self.max_concurrent:,} places"
        return f"{self.tasks:,} due at once{places}"


CASES = (
    Case(
        tasks=100,
        apart=timedelta(milliseconds=200),
        targets={"p50": Target(10), "p99": Target(25)},
    ),
    Case(tasks=10),
    Case(tasks=200, against_raw=Target(2.5)),
    Case(tasks=1_000, max_concurrent=1_000, mixed_priorities=True),
    Case(tasks=1_000),
    Case(tasks=2_000),
)
QUICK_CASES = (
    Case(tasks=5, apart=timedelta(milliseconds=200), targets={"p50": Target(10), "p99": Target(25)}),
    Case(tasks=40, max_concurrent=40, mixed_priorities=True),
)


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure every case on every database."""
    cases = QUICK_CASES if options.quick else CASES
    return [
        figure
        for database in options.databases
        for case in cases
        for figure in _measure_case(ground, options, database, case)
    ]


def _measure_case(ground: Ground, options: Options, database: str, case: Case) -> Iterator[Figure]:
    values: dict[tuple[str, str], list[float]] = {}
    for repeat in range(options.repeats):
        options.say(f"lateness, {database}, {case.name}: repeat {repeat + 1} of {options.repeats}")
        for key, value in _run_case(ground, database, case):
            values.setdefault(key, []).append(value)
    targets = {**case.targets, "p99 x raw": case.against_raw, "lost or twice": Target(0), "out of order": Target(0)}
    for (quantity, unit), measured in values.items():
        yield Figure(
            section=SECTION.format(database),
            subject=case.name,
            quantity=quantity,
            unit=unit,
            values=measured,
            target=targets.get(quantity),
        )


def _run_case(ground: Ground, database: str, case: Case) -> Iterator[tuple[tuple[str, str], float]]:
    raw = run_raw(ground.programs.raw, TRUE, runs=1_000) if case.against_raw else None
    stamps = ground.empty_folder() / "stamps"
    home = ground.home(database, ground.programs.stamp, str(stamps), max_concurrent=case.max_concurrent)
    slots = _run(home, case)
    started = read_stamps(stamps)
    late = sorted(_milliseconds(at - slots[task]) for task, at in started)
    for name, share in QUANTILES.items():
        yield (name, "ms"), quantile(late, share)
    if raw is not None:
        yield ("p99 x raw", "x"), quantile(late, 0.99) / (case.tasks / raw.rate * 1000)
    yield ("lost or twice", "runs"), float(miscounted([task for task, _ in started], slots))
    if case.mixed_priorities:
        yield ("out of order", "launches"), float(out_of_order(launched_priorities(home)))
        rows = home.connection.execute("SELECT priority, started_at FROM smart_cron_executions")
        starts = ((int(priority), instant(started_at)) for priority, started_at in rows)
        yield ("overtaken by a less urgent one", "ms"), _milliseconds(overtaking(starts))
    home.connection.close()


def _run(home: Home, case: Case) -> dict[str, datetime]:
    home.add_tasks(case.tasks, columns={"priority": MIXED_PRIORITY} if case.mixed_priorities else None)
    with home.master():
        slots = home.make_due(case.tasks, apart=case.apart)
        # Nothing is asked of the database meanwhile: a quiet machine is quiet.
        time.sleep(max(0.0, (max(slots.values()) - datetime.now(UTC)).total_seconds()))
        home.wait_until_ended(case.tasks)
    return slots


def read_stamps(path: Path) -> list[tuple[str, datetime]]:
    """Return task and instant of each start, as the tasks wrote them."""
    lines = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return [(task, EPOCH + timedelta(microseconds=int(nanoseconds) / 1000)) for task, nanoseconds in lines]


def quantile(ascending: Sequence[float], share: float) -> float:
    """Return the value that *share* of all do not exceed."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]


def miscounted(started: Sequence[str], wanted: Iterable[str]) -> int:
    """Return how many starts are missing or too many."""
    missing = set(wanted) - set(started)
    return len(missing) + len(started) - len(set(started))


def launched_priorities(home: Home) -> list[int]:
    """Return the priorities of the tasks in the order in which the master launched them, by its log."""
    priorities = dict(home.connection.execute("SELECT task_name, priority FROM smart_cron_tasks_config"))
    lines = [line for log in sorted(home.folder.glob("log/master-*.log")) for line in log.read_text().splitlines()]
    entries = (json.loads(line) for line in lines if "Task started" in line)
    return [priorities[entry["context"]["task"]] for entry in entries]


def out_of_order(priorities: Sequence[int]) -> int:
    """Return how often a launch was followed by a more urgent one."""
    return sum(later < earlier for earlier, later in pairwise(priorities))


def overtaking(runs: Iterable[tuple[int, datetime]]) -> timedelta:
    """Return by how much one of these (priority, start) started, at most, before one that was more urgent."""
    worst, latest_before, latest, current = timedelta(), EPOCH, EPOCH, 0
    for priority, started_at in sorted(runs):
        if priority != current:
            current, latest_before = priority, latest
        worst = max(worst, latest_before - started_at)
        latest = max(latest, started_at)
    return worst


def _milliseconds(span: timedelta) -> float:
    return span / timedelta(milliseconds=1)
