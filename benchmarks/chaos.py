"""`python -m benchmarks.chaos`: random faults over random tasks, and a verdict. See README.md."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.chaos_faults import schedule
from benchmarks.chaos_ground import Ground
from benchmarks.chaos_run import ChaosRun, Plan, Report
from benchmarks.chaos_tasks import plan_tasks
from benchmarks.chaos_verdict import Verdict
from benchmarks.databases import NAMES, open_databases

KILLS_PER_MINUTE = 70
SHOWN = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; return 0 for a clean verdict and 1 for a red one."""
    asked = _parser().parse_args(arguments)
    with open_databases() as databases:
        ground = Ground(databases, database=asked.database, masters=asked.masters, parent=asked.folder)
        is_clean = False
        try:
            is_clean = _run(ground, asked)
        finally:
            keep = asked.keep or not is_clean
            ground.close(keep=keep)
            if keep:
                print(f"everything is left in {ground.folder}")
    return 0 if is_clean else 1


def _run(ground: Ground, asked: argparse.Namespace) -> bool:
    tasks = plan_tasks(asked.tasks, seed=asked.seed, now=datetime.now(UTC))
    ground.insert(tasks)
    kills = round(asked.minutes * KILLS_PER_MINUTE) if asked.kills is None else asked.kills
    plan = Plan(
        seed=asked.seed,
        seconds=asked.minutes * 60,
        tasks=tasks,
        faults=schedule(
            seed=asked.seed,
            seconds=asked.minutes * 60,
            kills=kills,
            on_server=asked.database != "sqlite",
            nodes=asked.masters,
            outage_seconds=asked.outage,
        ),
        slots_per_second=asked.rate,
    )
    run = ChaosRun(ground, plan, say=_say)
    began = time.monotonic()
    run.play()
    verdict = run.verdict()
    print(heading(asked, time.monotonic() - began))
    print(words(run.report, verdict))
    return verdict.is_clean and not run.report.own_ends


def heading(asked: argparse.Namespace, seconds: float) -> str:
    """Return what the run was, so that it can be repeated."""
    return f"{asked.database}, {asked.masters} master(s), seed {asked.seed}, {seconds:.0f} s"


def words(report: Report, verdict: Verdict) -> str:
    """Return the counts and the verdict."""
    lines = [f"{report.kills:,} SIGKILLs, {verdict.slots:,} slots, {verdict.runs:,} runs"]
    lines += [f"  {count:6,}  {kind}" for kind, count in sorted(report.done.items())]
    lines += ["outcomes"] + [f"  {count:6,}  {status}" for status, count in sorted(verdict.statuses.items())]
    lines += ["verdict"] + [f"  {len(found):6,}  {kind}" for kind, found in verdict.faults.items()]
    for kind, found in (*verdict.faults.items(), ("the master ended", report.own_ends)):
        lines += [f"{kind}: {case}" for case in found[:SHOWN]]
    is_clean = verdict.is_clean and not report.own_ends
    return "\n".join([*lines, "clean" if is_clean else "RED"])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description="Break everything, then count.")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long faults happen (5)")
    parser.add_argument("--seed", type=int, default=1, help="gives the same tasks and faults at the same times (1)")
    parser.add_argument("--database", default="sqlite", choices=NAMES)
    parser.add_argument("--masters", type=int, default=1, help="nodes, each with a master, on the one database (1)")
    parser.add_argument("--kills", type=int, help=f"SIGKILLs in all (default: {KILLS_PER_MINUTE} a minute)")
    parser.add_argument("--outage", type=float, default=0.0, help="seconds for which the database is away amid it (0)")
    parser.add_argument("--rate", type=float, default=40.0, help="slots a second that are set by hand (40)")
    parser.add_argument("--tasks", type=int, default=120, help="tasks, of which every eighth runs each minute (120)")
    parser.add_argument("--folder", type=Path, help="where to work; its disk is used, too")
    parser.add_argument("--keep", action="store_true", help="leave everything to be looked at, as a red run does")
    return parser


if __name__ == "__main__":
    # Servers, masters and tasks are ended on the way out, however one leaves.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
