"""How many runs a second and at what CPU time, against the raw loop right before and right after."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

from benchmarks.apscheduler_side import ApScheduler, NotInstallableError
from benchmarks.databases import instant
from benchmarks.house import Ground, Home
from benchmarks.masters import MasterProcess
from benchmarks.options import Options
from benchmarks.programs import TRUE
from benchmarks.raw import Sample, mean, run_raw
from benchmarks.report import Figure, Target
from benchmarks.runner_alone import OTHER_USER, limited_task, other_user_exists, plain_task, run_alone

SECTION = "Throughput, tasks due at once that {}"
# The CPU time so far is read this long before the slot, when all is planned and nothing runs.
READ_AHEAD_SECONDS = 0.2
# The default, and what a node may have that runs many short tasks.
PLACES = (10, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way of starting tasks; `run` is None where it cannot be had here, and `note` says why."""

    name: str
    run: Callable[[Path, int], Sample] | None
    rate: Target | None = None
    cpu: Target | None = None
    apart: str = "database server"
    note: str = ""


@dataclass(slots=True)
class _Measured:
    contender: Contender
    samples: list[Sample] = field(default_factory=list)
    raw: list[Sample | None] = field(default_factory=list)


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure all contenders on silent tasks and on ones that print to both streams."""
    contenders = list(_contenders(ground, options))
    figures: list[Figure] = []
    for words, program in (("do nothing", TRUE), ("print to both streams", ground.programs.chatter)):
        figures += _measure_program(ground, options, contenders, SECTION.format(words), program)
    return figures


def _contenders(ground: Ground, options: Options) -> Iterator[Contender]:
    yield Contender(
        name="task runner alone",
        run=lambda program, runs: run_alone(ground, plain_task(program), runs=runs),
        rate=Target(0.75, at_least=True),
        cpu=Target(1.5),
        apart="client",
    )
    yield _limited(ground)
    for database, places in product(options.databases, PLACES):
        yield _whole_product(ground, database, places)
    yield _apscheduler(ground)


def _whole_product(ground: Ground, database: str, places: int) -> Contender:
    return Contender(
        name=f"whole product, {database}, {places} places",
        run=lambda program, runs: run_product(ground, database, program, runs=runs, places=places),
        rate=Target(0.5 if database == "sqlite" else 0.4, at_least=True),
        cpu=Target(2.0),
    )


def _limited(ground: Ground) -> Contender:
    reason = "" if os.geteuid() == 0 and other_user_exists() else f"only root may run a task as {OTHER_USER}"
    return Contender(
        name="task runner, user and limits",
        run=None if reason else lambda program, runs: run_alone(ground, limited_task(program), runs=runs),
        cpu=Target(3.0),
        apart="client",
        note=reason,
    )


def _apscheduler(ground: Ground) -> Contender:
    try:
        side = ApScheduler(ground.folder / "apscheduler")
    except NotInstallableError as error:
        return Contender(name="APScheduler 3", run=None, note=f"not to be had: {error}")
    return Contender(
        name=f"APScheduler {side.version}, SQLite",
        run=lambda program, runs: side.run(ground, program, runs=runs),
    )


def run_product(ground: Ground, database: str, program: Path, *, runs: int, places: int) -> Sample:
    """Run *runs* tasks due at once by a real master in a fresh home, *places* of them at the same time."""
    home = ground.home(database, program, max_concurrent=places)
    home.add_tasks(runs)
    with home.master() as master:
        slot = min(home.make_due(runs).values())
        return _until_recorded(home, master, slot, runs)


def _until_recorded(home: Home, master: MasterProcess, slot: datetime, runs: int) -> Sample:
    time.sleep(max(0.0, (slot - datetime.now(UTC)).total_seconds() - READ_AHEAD_SECONDS))
    cpu_before, server_before = master.cpu_seconds(), home.database.server_cpu_seconds()
    time.sleep(max(0.0, (slot - datetime.now(UTC)).total_seconds()))
    home.wait_until_ended(runs)
    recorded_at = datetime.now(UTC)
    server_after = home.database.server_cpu_seconds()
    sample = Sample(
        runs=runs,
        wall_seconds=(recorded_at - _first_start(home, runs)).total_seconds(),
        cpu_seconds=master.cpu_seconds() - cpu_before,
        apart_cpu_seconds=None if server_after is None or server_before is None else server_after - server_before,
    )
    home.connection.close()
    return sample


def _first_start(home: Home, runs: int) -> datetime:
    """Return when the first run started, once it is sure that each ran once and well."""
    rows = home.connection.execute("SELECT started_at, success, task_id FROM smart_cron_executions")
    if len({task for _, success, task in rows if success}) != runs or len(rows) != runs:
        raise RuntimeError(f"{len(rows)} executions of {runs} tasks, not all well: see {home.folder}")
    return min(instant(started_at) for started_at, _, _ in rows)


def _measure_program(
    ground: Ground, options: Options, contenders: Sequence[Contender], section: str, program: Path
) -> list[Figure]:
    measured = [_Measured(contender) for contender in contenders]
    raws: list[Sample | None] = []
    for repeat in range(options.repeats):
        options.say(f"{section}: repeat {repeat + 1} of {options.repeats}")
        before = run_raw(ground.programs.raw, program, runs=options.runs)
        raws.append(before)
        for entry in measured:
            if entry.contender.run is None:
                continue
            entry.samples.append(entry.contender.run(program, options.runs))
            after = run_raw(ground.programs.raw, program, runs=options.runs)
            entry.raw.append(mean([before, after]))
            raws.append(after)
            before = after
    figures = [figure for entry in measured for figure in _figures(section, entry)]
    return [*_raw_figures(section, raws, ground), *figures]


def _raw_figures(section: str, raws: Sequence[Sample | None], ground: Ground) -> list[Figure]:
    known = [sample for sample in raws if sample is not None]
    note = ground.programs.note
    rates, costs = [sample.rate for sample in known], [sample.cpu_per_run for sample in known]
    return [
        Figure(section=section, subject="raw loop in C", quantity="runs", unit="/s", values=rates, note=note),
        Figure(section=section, subject="raw loop in C", quantity="CPU", unit="ms/run", values=costs, note=note),
    ]


def _figures(section: str, entry: _Measured) -> Iterator[Figure]:
    contender, samples = entry.contender, entry.samples

    def figure(quantity: str, unit: str, values: Sequence[float], target: Target | None = None) -> Figure:
        return Figure(
            section=section,
            subject=contender.name,
            quantity=quantity,
            unit=unit,
            values=values,
            target=target,
            note=contender.note,
        )

    pairs = [(sample, raw) for sample, raw in zip(samples, entry.raw, strict=True) if raw is not None]
    yield figure("runs", "/s", [sample.rate for sample in samples])
    yield figure("runs", "x raw", [sample.rate / raw.rate for sample, raw in pairs], contender.rate)
    yield figure("CPU", "ms/run", [sample.cpu_per_run for sample in samples])
    yield figure("CPU", "x raw", [sample.cpu_per_run / raw.cpu_per_run for sample, raw in pairs], contender.cpu)
    apart = [sample.apart_cpu_per_run for sample in samples if sample.apart_cpu_per_run is not None]
    if apart:
        yield figure(f"CPU of the {contender.apart}, apart", "ms/run", apart)
