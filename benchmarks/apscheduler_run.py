"""`apscheduler_run.py FOLDER RUNS PROGRAM`: the same work by APScheduler 3, as its users have it.

A BlockingScheduler with a pool of 10 threads and an SQLAlchemy job store on SQLite; every job is due at once and runs
the program by subprocess with both pipes captured. Needs nothing of ours: it runs in an environment of its own.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apscheduler_job  # type: ignore[import-not-found]

LEAD_SECONDS = 2.0
# The CPU time so far is read this long before the slot, when all jobs are in the store.
READ_AHEAD_SECONDS = 0.2
THREADS = 10


def cpu_seconds() -> float:
    """Return the CPU time of this process and of all that it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class Watch:
    """Counts ended jobs and ends the scheduler after the last one."""

    def __init__(self, scheduler: Any, *, runs: int, slot: datetime) -> None:
        self._scheduler, self._runs = scheduler, runs
        self._ended = self._failed = 0
        self._cpu_before = self._wall_seconds = 0.0
        ahead = (slot - datetime.now(UTC)).total_seconds() - READ_AHEAD_SECONDS
        threading.Timer(ahead, self._begin).start()

    def _begin(self) -> None:
        self._cpu_before = cpu_seconds()

    def on_end(self, event: Any) -> None:
        """Hear of the end of one job."""
        self._ended += 1
        self._failed += event.exception is not None
        if self._ended == self._runs:
            self._wall_seconds = time.monotonic() - min(apscheduler_job.STARTS)
            self._scheduler.shutdown(wait=False)

    def result(self) -> dict[str, object]:
        """Return what was measured, as the fields of a Sample."""
        if self._failed or not self._cpu_before:
            raise RuntimeError(f"{self._failed} jobs failed, or adding them took too long")
        return {
            "runs": self._runs,
            "wall_seconds": self._wall_seconds,
            "cpu_seconds": cpu_seconds() - self._cpu_before,
        }


def main() -> None:
    from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED  # type: ignore[import-not-found]
    from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-not-found]
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore  # type: ignore[import-not-found]
    from apscheduler.schedulers.blocking import BlockingScheduler  # type: ignore[import-not-found]

    folder, runs, program = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    scheduler = BlockingScheduler(
        jobstores={"default": SQLAlchemyJobStore(url=f"sqlite:///{folder / 'jobs.db'}")},
        executors={"default": ThreadPoolExecutor(THREADS)},
        timezone=UTC,
    )
    # Far enough ahead for all jobs to be in the store: what is measured is running them.
    slot = datetime.now(UTC) + timedelta(seconds=LEAD_SECONDS + runs / 200)
    for number in range(runs):
        scheduler.add_job(
            apscheduler_job.run_program,
            "date",
            run_date=slot,
            args=[program],
            id=str(number),
            misfire_grace_time=None,
        )
    watch = Watch(scheduler, runs=runs, slot=slot)
    scheduler.add_listener(watch.on_end, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    scheduler.start()
    print(json.dumps(watch.result()))


if __name__ == "__main__":
    main()
