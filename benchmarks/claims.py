"""What planning, claiming and recording ten runs cost, and pages of history, however many tasks and runs there are."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence

from benchmarks.house import Ground, Home
from benchmarks.options import Options
from benchmarks.programs import TRUE
from benchmarks.report import Figure, Target
from benchmarks.row_counts import UNITS

SECTION = "A transaction with 10 due tasks of many, on {}"
SIZES = (1_000, 100_000, 1_000_000)
QUICK_SIZES = (100, 1_000)
ROUNDS = 20
# "As many rows": the depth of an index grows, and a page more may be read where rows lie apart.
ROWS_TARGET = Target(1.05)
TIME_TARGET = Target(1.5)
WORDS = {
    "claim_ms": "plan and claim",
    "record_ms": "record",
    "claim_rows": "read by plan and claim",
    "record_rows": "read by record",
    "history_ms": "three pages of history",
    "history_rows": "read by three pages of history",
}
ONE_RUN_EACH = """
    INSERT INTO smart_cron_executions (task_id, task_name, status, success, completed_at)
    SELECT id, task_name, 'success', 1, CURRENT_TIMESTAMP FROM smart_cron_tasks_config"""
Costs = dict[str, list[float]]


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure each size in every repeat, so that a ratio is of neighbours in time."""
    return [figure for database in options.databases for figure in _measure(ground, options, database)]


def _measure(ground: Ground, options: Options, database: str) -> Iterator[Figure]:
    sizes = QUICK_SIZES if options.quick else SIZES
    homes = {size: _filled(ground, options, database, size) for size in sizes}
    repeats: list[dict[int, Costs]] = []
    for repeat in range(options.repeats):
        options.say(f"claims, {database}: repeat {repeat + 1} of {options.repeats}")
        repeats.append({size: _costs(home, size) for size, home in homes.items()})
    for home in homes.values():
        home.connection.close()
    for kind in WORDS:
        yield from _figures(database, kind, sizes, repeats)


def _filled(ground: Ground, options: Options, database: str, size: int) -> Home:
    options.say(f"claims, {database}: making {size:,} tasks")
    home = ground.home(database, TRUE)
    home.add_tasks(size)
    home.connection.execute(ONE_RUN_EACH)
    if database == "postgresql":
        # What autovacuum does within a minute of so many new rows.
        home.connection.execute("ANALYZE smart_cron_tasks_config")
        home.connection.execute("ANALYZE smart_cron_executions")
    return home


def _costs(home: Home, size: int) -> Costs:
    costs: Costs = json.loads(home.ask("benchmarks.claims_probe", str(size), str(ROUNDS)))
    return costs


def _figures(database: str, kind: str, sizes: Sequence[int], repeats: list[dict[int, Costs]]) -> Iterator[Figure]:
    medians = {size: [statistics.median(costs[size][kind]) for costs in repeats] for size in sizes}
    unit = "ms" if kind.endswith("_ms") else UNITS[database]
    section = SECTION.format(database)
    for size, values in medians.items():
        yield Figure(section=section, subject=WORDS[kind], quantity=f"of {size:,} tasks", unit=unit, values=values)
    smallest, largest = sizes[0], sizes[-1]
    yield Figure(
        section=section,
        subject=WORDS[kind],
        quantity=f"{largest:,} : {smallest:,}",
        unit="x",
        values=[large / small for large, small in zip(medians[largest], medians[smallest], strict=True)],
        target=ROWS_TARGET if kind.endswith("_rows") else TIME_TARGET,
    )
