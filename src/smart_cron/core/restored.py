"""A database that came from a backup: what a node's run files know of the time since, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from smart_cron.core.run import Trigger

# Why a slot of the time between the backup and its restore did not run, as far as anybody knows.
RESTORED = "the database was restored"
RESTORED_LOST = "the database was restored: it may have run to its end after the backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRun:
    """A run that a run file tells of and the database does not know.

    `incarnation` is the one that it was started in, `launch_deadline` in seconds on CLOCK_BOOTTIME of that boot,
    `allowed_seconds` its timeout and grace.
    """

    execution_id: int
    run_id: str
    task_id: int
    task_name: str
    attempt: int
    scheduled_for: datetime | None
    triggered_by: Trigger
    started_at: datetime
    incarnation: str
    launch_deadline: float
    allowed_seconds: int
