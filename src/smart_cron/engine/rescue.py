"""Holds what the database says against what lives: every claim of this node is alive, over, or settled here.

Asks "does it live", never "is it old". A run file that a supervisor holds lives; one with an end is read; a claim
without a file is launched again within its deadline in the incarnation that claimed it (the file makes a second
start impossible), and is settled otherwise, by taking the file first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import timedelta

from smart_cron.core.ports import Clock, Launcher, RecordStore
from smart_cron.core.run import EndCause, HeldRun, RunEnd, Status
from smart_cron.engine.settings import EngineSettings


@dataclass(slots=True)
class Findings:
    """What a sweep found: runs that live, ends to record, claims to launch (execution id, run id).

    `fault` is why a run file could not be read or written. Its run counts as alive until it is known to be over.
    """

    alive: set[str] = field(default_factory=set)
    ends: list[RunEnd] = field(default_factory=list)
    to_launch: list[tuple[int, str]] = field(default_factory=list)
    fault: OSError | None = None


class Rescue:
    """Sweeps over the node's held runs."""

    def __init__(self, *, records: RecordStore, launcher: Launcher, clock: Clock, settings: EngineSettings) -> None:
        self._records, self._launcher, self._clock, self._settings = records, launcher, clock, settings

    def sweep(self, *, in_hand: Collection[str], known: Callable[[str], bool]) -> Findings:
        """Look at each held run. *in_hand* are those the task runner has; *known* ends need no second reading."""
        findings = Findings()
        for run in self._records.held(node=self._settings.node):
            if known(run.run_id):
                findings.alive.add(run.run_id)
                continue
            try:
                self._find_out(run, findings, is_in_hand=run.run_id in in_hand)
            except OSError as fault:
                # A disk that is full, read-only or closed to us says nothing of the run: the next sweep asks again.
                findings.alive.add(run.run_id)
                findings.fault = fault
        return findings

    def _find_out(self, run: HeldRun, findings: Findings, *, is_in_hand: bool) -> None:
        if self._is_stuck(run):
            self._end_by_force(run, findings)
        elif is_in_hand:
            findings.alive.add(run.run_id)
        else:
            self._look_at(run, findings)

    def _is_stuck(self, run: HeldRun) -> bool:
        """Whether it should have ended long ago, by a clock that does not step and goes on from boot to boot only."""
        if run.incarnation != self._settings.incarnation:
            return False
        allowed = timedelta(seconds=run.allowed_seconds) + self._settings.deadlock_timeout
        return self._clock.boottime() > run.launch_deadline + allowed.total_seconds()

    def _end_by_force(self, run: HeldRun, findings: Findings) -> None:
        """Its supervisor did not end it, nor did the task runner end the supervisor: then it is for us."""
        end = self._launcher.read_end(run.run_id)
        if end is None:
            self._launcher.end_by_force(run.run_id)
            end = self._launcher.settle_absent(run)
        if end is None:
            findings.alive.add(run.run_id)  # It cannot be killed: the next sweep tries again.
        elif end.cause is EndCause.LOST:
            late = self._settings.deadlock_timeout
            reason = f"it was still there {late} after its timeout and grace of {run.allowed_seconds} s"
            findings.ends.append(replace(end, cause=EndCause.STUCK, reason=reason))
        else:
            findings.ends.append(end)

    def _look_at(self, run: HeldRun, findings: Findings) -> None:
        end = self._launcher.read_end(run.run_id)
        if end is not None:
            findings.ends.append(end)
        elif self._launcher.is_alive(run.run_id):
            findings.alive.add(run.run_id)
        elif self._may_still_start(run) and not self._launcher.has_begun(run.run_id):
            findings.to_launch.append((run.execution_id, run.run_id))
        else:
            self._settle(run, findings)

    def _may_still_start(self, run: HeldRun) -> bool:
        """What is noted as running never starts again: without a supervisor it is over, whatever its deadline."""
        is_ours = run.status is Status.CLAIMED and run.incarnation == self._settings.incarnation
        return is_ours and self._clock.boottime() < run.launch_deadline

    def _settle(self, run: HeldRun, findings: Findings) -> None:
        end = self._launcher.settle_absent(run)
        if end is None:
            findings.alive.add(run.run_id)
            return
        if run.status is Status.RUNNING and end.cause is EndCause.NEVER_STARTED:
            end = replace(end, cause=EndCause.LOST, reason="it ran, and its run file is gone")
        findings.ends.append(end)
