"""Stands for `smart-cron` in a test of the chaos run itself: the same program with a fault planted in it.

python planted.py FAULT master
"""

from __future__ import annotations

import dataclasses
import sys
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from smart_cron.core import overlap, planning
from smart_cron.core.run import Claim, EndCause, RunEnd, Settlement, SlotOutcome, SlotPlan, SlotRange
from smart_cron.core.task import OnOverlap
from smart_cron.engine import launcher
from smart_cron.engine.launcher import RunnerLauncher


def none() -> None:
    """Leave everything as it is."""


def started_twice() -> None:
    """Every launch is made again under another run id."""
    original = RunnerLauncher.launch

    def launch(self: RunnerLauncher, claims: Sequence[Claim]) -> None:
        original(self, claims)
        original(self, [dataclasses.replace(claim, run_id=str(uuid.uuid4())) for claim in claims])

    RunnerLauncher.launch = launch  # type: ignore[method-assign]


def told_twice() -> None:
    """A slot that was started is recorded as skipped, too."""
    from smart_cron.store import plan_rows

    original = plan_rows.ranges

    def ranges(plan: SlotPlan, *args: Any) -> Any:
        starts = [_skipped(start.scheduled_for) for start in plan.starts]
        return original(dataclasses.replace(plan, not_run=(*plan.not_run, *starts)), *args)

    plan_rows.ranges = ranges


def _skipped(slot: datetime) -> SlotRange:
    return SlotRange(first=slot, last=slot, count=1, outcome=SlotOutcome.SKIPPED, reason="planted")


def ends_out_of_the_air() -> None:
    """Now and then nothing is launched, and a success is told all the same."""
    original, originally_polled = RunnerLauncher.launch, RunnerLauncher.poll
    unlaunched: list[Claim] = []

    def launch(self: RunnerLauncher, claims: Sequence[Claim]) -> None:
        kept = [claim for claim in claims if claim.execution_id % 5 == 0]
        unlaunched.extend(kept)
        original(self, [claim for claim in claims if claim not in kept])

    def poll(self: RunnerLauncher, *, timeout: float) -> Any:
        starts, ends = originally_polled(self, timeout=0.0 if unlaunched else timeout)
        ends += [_success(claim) for claim in unlaunched]
        unlaunched.clear()
        return starts, ends

    RunnerLauncher.launch, RunnerLauncher.poll = launch, poll  # type: ignore[method-assign]


def _success(claim: Claim) -> RunEnd:
    return RunEnd(
        run_id=claim.run_id,
        execution_id=claim.execution_id,
        cause=EndCause.EXITED,
        exit_code=0,
        started_at=claim.claimed_at,
        completed_at=claim.claimed_at,
        output_sha256="0" * 64,
    )


def forgotten_slots() -> None:
    """What planning decided is not always written, though the task is marked as looked at."""
    from smart_cron.store import plan_rows

    original = plan_rows.executions
    numbers = iter(range(1_000_000))

    def executions(*args: Any) -> Any:
        rows = list(original(*args))
        return rows if next(numbers) % 5 else []

    plan_rows.executions = executions


def results_as_one_likes_them() -> None:
    """Whatever failed has succeeded."""
    original = launcher.run_end

    def run_end(record: Any) -> RunEnd:
        end = original(record)
        return dataclasses.replace(end, cause=EndCause.EXITED, exit_code=0, term_signal=None)

    launcher.run_end = run_end


def results_are_dropped() -> None:
    """Now and then an end is confirmed that was never written."""
    from smart_cron.store.records import Records

    original = Records.settle

    def settle(self: Records, settlements: Sequence[Settlement], **keywords: Any) -> None:
        original(self, settlements[1:], **keywords)

    Records.settle = settle  # type: ignore[method-assign]
    # Their run files are gone with the confirmation, and nothing looks again.
    RunnerLauncher.settle_absent = lambda *_: None  # type: ignore[method-assign]


def other_output() -> None:
    """The sum of the output is another's."""
    original = launcher.run_end
    launcher.run_end = lambda record: dataclasses.replace(original(record), output_sha256="0" * 64)


def overlapping_runs() -> None:
    """Nobody asks whether the task runs already."""
    original = overlap.settle_overlap

    def settle_overlap(task: Any, slots: Any, *, is_catch_up: bool) -> Any:
        return original(dataclasses.replace(task, on_overlap=OnOverlap.ALLOW), slots, is_catch_up=is_catch_up)

    planning.settle_overlap = settle_overlap


FAULTS: dict[str, Callable[[], None]] = {
    plant.__name__: plant
    for plant in (
        none,
        told_twice,
        ends_out_of_the_air,
        started_twice,
        forgotten_slots,
        results_as_one_likes_them,
        results_are_dropped,
        other_output,
        overlapping_runs,
    )
}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    from smart_cron.faces.cli.main import main

    main(sys.argv[2:])
