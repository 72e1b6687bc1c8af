"""`python -m benchmarks`: see README.md."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import smart_cron
from benchmarks import (
    alerts,
    backups,
    claims,
    cleanup,
    failover,
    health,
    lateness,
    logins,
    memory,
    move,
    pages,
    reports,
    restart,
    rollups,
    storm,
    streams,
    throughput,
)
from benchmarks.databases import NAMES, open_databases
from benchmarks.house import Ground, open_ground
from benchmarks.options import Options
from benchmarks.report import Figure, as_json, table

Measure = Callable[[Ground, Options], list[Figure]]
BENCHMARKS: Mapping[str, Measure] = {
    "throughput": throughput.measure,
    "lateness": lateness.measure,
    "claims": claims.measure,
    "memory": memory.measure,
    "restart": restart.measure,
    "failover": failover.measure,
    "storm": storm.measure,
    "alerts": alerts.measure,
    "health": health.measure,
    "rollups": rollups.measure,
    "pages": pages.measure,
    "streams": streams.measure,
    "logins": logins.measure,
    "cleanup": cleanup.measure,
    "reports": reports.measure,
    "move": move.measure,
    "backups": backups.measure,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print; the exit code says nothing of targets, since they hold for a quiet machine."""
    asked = _parser().parse_args(arguments)
    options = Options(
        repeats=asked.repeats,
        runs=asked.runs,
        rows=asked.rows,
        databases=NAMES if asked.database == "all" else (asked.database,),
        quick=asked.quick,
        folder=asked.folder,
    )
    chosen = list(BENCHMARKS) if asked.benchmark == "all" else [asked.benchmark]
    with open_databases() as databases, open_ground(databases, options.folder) as ground:
        figures = [figure for name in chosen for figure in BENCHMARKS[name](ground, options)]
        note = ground.programs.note
    print(as_json(figures, machine=machine()) if asked.json else f"{heading()}\n\n{table(figures)}")
    if note and not asked.json:
        print(f"\n{note}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Smart Cron on this machine.")
    parser.add_argument("benchmark", nargs="?", default="all", choices=[*BENCHMARKS, "all"])
    parser.add_argument("--repeats", type=int, default=5, help="interleaved repeats, whose medians are shown (5)")
    parser.add_argument("--runs", type=int, default=2_000, help="tasks due at once in each throughput repeat (2000)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="runs for cleanup, reports, backups (1000000)")
    parser.add_argument("--database", default="all", choices=[*NAMES, "all"])
    parser.add_argument("--json", action="store_true", help="print all values instead of a table")
    parser.add_argument("--quick", action="store_true", help="only show that it works: the figures mean nothing")
    parser.add_argument("--folder", type=Path, help="where to make the homes; its disk is measured, too")
    return parser


def machine() -> dict[str, object]:
    """Return what a figure must be read with."""
    return {
        "smart_cron": smart_cron.__version__,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
    }


def heading() -> str:
    """Return one line on product and machine."""
    facts = machine()
    return (
        f"Smart Cron {facts['smart_cron']}, Python {facts['python']}, Linux {facts['kernel']}, "
        f"{facts['cpus']} CPUs, load {facts['load']:.2f} at the end"
    )


if __name__ == "__main__":
    # Servers, masters and homes are removed on the way out, however one leaves.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
