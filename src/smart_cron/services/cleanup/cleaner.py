"""The steps of a clean-up, one after the other, none of them in another's way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from smart_cron.core.errors import SmartCronError
from smart_cron.core.ports import Log
from smart_cron.services.cleanup.report import Done, Report, StepReport

# Told how many rows or files of a step are done.
Tell = Callable[[int], None]
# Told the name of the step that is under way, and how much of it is done.
Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step: what it is about, as `health_checks`, the verb for what becomes of it, and the work."""

    name: str
    verb: str = "deleted"
    act: Callable[[Tell], Done]


class Cleaner:
    """Takes the steps and writes a line of each into the log."""

    def __init__(self, *, steps: Sequence[Step], log: Log, dry_run: bool = False) -> None:
        self._steps, self._log, self._dry_run = steps, log, dry_run

    def clean(self, progress: Progress) -> Report:
        """Take every step; what fails is part of the report."""
        report = Report(steps=[self._taken(step, progress) for step in self._steps])
        if not self._dry_run:
            word = "Clean-up completed" if report.is_whole else "Clean-up left something undone"
            (self._log.info if report.is_whole else self._log.error)(word, **report.counts)
            self._log.flush()
        return report

    def _taken(self, step: Step, progress: Progress) -> StepReport:
        began, told = time.monotonic(), 0

        def tell(count: int) -> None:
            nonlocal told
            told = count
            progress(step.name, count)

        tell(0)
        try:
            done = step.act(tell)
        except SmartCronError as error:
            done = Done(count=told, faults=(str(error),))
        except OSError as error:
            done = Done(count=told, faults=(f"{error.filename or 'a file'}: {error.strerror or error}.",))
        report = StepReport(name=step.name, verb=step.verb, done=done, seconds=time.monotonic() - began)
        if not self._dry_run:
            self._write(report)
        return report

    def _write(self, report: StepReport) -> None:
        done = report.done
        if done.count:
            lock = {"longest_lock_ms": round(done.longest_lock.total_seconds() * 1000, 3)} if done.longest_lock else {}
            freed = {"bytes": done.freed_bytes} if done.freed_bytes else {}
            words = f"{report.name.replace('_', ' ').capitalize()} {report.verb}"
            self._log.info(words, count=done.count, seconds=round(report.seconds, 3), **freed, **lock)
        for fault in done.faults:
            self._log.error("Clean-up step failed", step=report.name, reason=fault)
