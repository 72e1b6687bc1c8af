"""The clean-up of one house: its steps, the lock that keeps two apart, and a node's own files."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from smart_cron.config import Config
from smart_cron.core.ports import Log
from smart_cron.core.retention import OldRows
from smart_cron.core.zones import zone
from smart_cron.logs.events import open_event_log
from smart_cron.services.cleanup import Cleaner, Step
from smart_cron.services.cleanup.cleaner import Tell
from smart_cron.services.cleanup.logs import Logs
from smart_cron.services.cleanup.outputs import Outputs
from smart_cron.services.cleanup.report import Done
from smart_cron.services.cleanup.rows import Rows
from smart_cron.services.cleanup.statistics import Act, Statistics
from smart_cron.store.cleanup import TABLES
from smart_cron.taskrunner.runfile import list_runs
from smart_cron.wiring import House, is_locked, open_lock
from smart_cron.wiring.backups import prune_backups
from smart_cron.wiring.mastering import engine_settings

LOCK = "cleanup.lock"
# A day, and the time that a clean-up elsewhere may take: so long nobody has looked after this node's files.
OVERLOOKED = timedelta(hours=26)
NICE = 10


def cleaner(house: House, *, dry_run: bool, has_database: bool = True, files_only: bool = False) -> Cleaner:
    """Return what cleans up; without a database it is left with what needs none."""
    steps = log_steps(house, dry_run=dry_run)
    if has_database:
        steps = [output_step(house, dry_run=dry_run), *steps]
        if not files_only:
            if not dry_run:
                # Each night: the settings may have changed since the server's event was made.
                house.store.public.spare(house.config.retention.spared_days())
            steps = [*row_steps(house, dry_run=dry_run), *steps, *backup_steps(house, dry_run=dry_run)]
    return Cleaner(steps=steps, log=cleanup_log(house.config), dry_run=dry_run)


def cleanup_log(config: Config) -> Log:
    """Return the log that clean-ups write."""
    return open_event_log(config.log_dir, kind="cleanup", level=config.log_level)


def row_steps(house: House, *, dry_run: bool) -> list[Step]:
    """Return the steps for rows, which concern all nodes."""
    rows = Rows(
        store=house.store.cleanup,
        retention=house.config.retention.policy(),
        now=house.store.database.now,
        sheltered=partial(run_files, house.config),
        sleep=time.sleep,
        dry_run=dry_run,
    )
    # Hours become days before days go; what one step deletes is of no use to another.
    by_age = [kind for kind in OldRows if kind is not OldRows.HOURLY_METRICS]
    statistics = Statistics(store=lambda: house.owner().statistics, tables=TABLES)

    def step(name: str, act: Act, verb: str = "deleted") -> Step:
        return Step(name=name, verb=verb, act=statistics.counted(name, act))

    return [
        step("executions", rows.executions),
        step(OldRows.HOURLY_METRICS, rows.hours, "made into days"),
        *(step(kind, partial(rows.of_kind, kind)) for kind in by_age),
        *([] if dry_run else [Step(name="statistics", verb="refreshed", act=statistics.refresh)]),
    ]


def output_step(house: House, *, dry_run: bool) -> Step:
    """Return the step for what runs of this node printed."""

    def now() -> datetime:
        # A clock of one of the two that runs ahead deletes nothing before its time.
        return min(house.clock.now(), house.store.database.now())

    outputs = Outputs(
        root=house.config.log_dir / "output",
        store=house.store.cleanup,
        retention=house.config.retention.policy(),
        now=now,
        sheltered=partial(run_files, house.config),
        dry_run=dry_run,
    )
    return Step(name="output_files", act=outputs.clean)


def log_steps(house: House, *, dry_run: bool) -> list[Step]:
    """Return the steps for this node's logs: first what makes room, then what needs some."""
    logs = Logs(
        folder=house.config.log_dir,
        retention=house.config.retention.policy(),
        today=lambda: house.clock.now().astimezone().date(),
        dry_run=dry_run,
    )
    return [Step(name="old_logs", act=logs.delete_old), Step(name="logs", verb="compressed", act=logs.compress)]


def backup_steps(house: House, *, dry_run: bool) -> list[Step]:
    """Return the step for old backups."""

    def prune(tell: Tell) -> Done:
        count = len(prune_backups(house, dry_run=dry_run))
        tell(count)
        return Done(count=count)

    return [Step(name="backups", act=prune)]


def run_files(config: Config) -> list[str]:
    """Return the run ids of this node whose run files exist: they run, or their results are not settled for good."""
    return list(list_runs(str(config.state_dir / "runs")))


@contextmanager
def hold_cleanup(config: Config) -> Iterator[bool]:
    """Keep other clean-ups of this node away; yield False where one is under way. It goes with the process."""
    descriptor = open_lock(config.state_dir / LOCK)
    try:
        yield is_locked(descriptor)
    finally:
        os.close(descriptor)


def note_files_done(config: Config) -> None:
    """Remember that this node's files were looked after now."""
    os.utime(config.state_dir / LOCK)


def done_today(house: House) -> datetime | None:
    """Return when somebody cleaned up this database on this day, by the configured zone, or None."""
    local = house.store.database.now().astimezone(zone(house.config.time_zone))
    return house.store.cleanup_book.done_since(local.replace(hour=0, minute=0, second=0, microsecond=0))


class OwnCleanup:
    """This node's own files, where the clean-up ran elsewhere: which node its task runs on is chance."""

    def __init__(self, house: House) -> None:
        self._house = house

    def tidy(self) -> bool:
        """Look after the files, in a process of its own, where others do and nobody did here; return whether it did.

        Where nobody cleans up at all, somebody has switched the task off.
        """
        if self._last() > datetime.now(UTC) - OVERLOOKED:
            return False
        store = self._house.store
        if store.cleanup_book.done_since(store.database.now() - OVERLOOKED) is None:
            return False
        settings = engine_settings(self._house.config)
        process = subprocess.Popen(
            [*settings.program, "cleanup", "--files"],
            env={**os.environ, **settings.program_environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # Not in this process, whose tasks would start late.
        os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        process.wait()
        return True

    def _last(self) -> datetime:
        with hold_cleanup(self._house.config):
            pass  # A new node has none: it is made now, and there is nothing old here yet.
        found = (self._house.config.state_dir / LOCK).stat()
        return datetime.fromtimestamp(found.st_mtime, UTC)
