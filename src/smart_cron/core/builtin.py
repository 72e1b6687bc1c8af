"""Tasks of our own: rows like any other, so that they have history, logs and alerts, but what they run is fixed here.

Such a row says `origin` builtin, and its name must be one of these: what it starts is never read from the row, so that
nobody can have a command of his run with what only this installation's own commands are told (SMART_CRON_*).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from smart_cron.core.task import Limits, OnMissed, OnOverlap, TaskDefinition

ORIGIN = "builtin"
HEALTH = "smart_cron_health"
CLEANUP = "smart_cron_cleanup"
BACKUP = "smart_cron_backup"
# Name of the task: arguments of `smart-cron`.
COMMANDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {HEALTH: ("health",), CLEANUP: ("cleanup",), BACKUP: ("backup", "create")}
)
DEFINITIONS = (
    TaskDefinition(
        name=HEALTH,
        description="Built in: looks whether the system is well and raises alerts where it is not.",
        shell_command="smart-cron health",
        schedule="*/5 * * * *",
        priority=1,
        timeout=timedelta(seconds=60),
        on_missed=OnMissed.SKIP,
        on_overlap=OnOverlap.SKIP,
        failure_threshold=3,
        # Its duration says how the machine is, which is what it looks at anyway.
        anomaly_tolerance=0.0,
        origin=ORIGIN,
    ),
    TaskDefinition(
        name=CLEANUP,
        description="Built in: deletes what is older than the settings keep it, compresses logs, sums metrics up.",
        shell_command="smart-cron cleanup",
        schedule="0 2 * * *",
        priority=8,
        # The first time on a database of many years takes hours; ended in between it goes on the next night.
        timeout=timedelta(hours=6),
        on_missed=OnMissed.LATEST,
        on_overlap=OnOverlap.SKIP,
        failure_threshold=1,
        limits=Limits(nice=10),
        # How long it takes is a matter of how much there is.
        anomaly_tolerance=0.0,
        origin=ORIGIN,
    ),
    TaskDefinition(
        name=BACKUP,
        description="Built in: takes a backup and proves it by a restore beside the live tables.",
        shell_command="smart-cron backup create",
        schedule="45 1 * * *",
        priority=3,
        timeout=timedelta(hours=4),
        on_missed=OnMissed.LATEST,
        on_overlap=OnOverlap.SKIP,
        # A backup that failed raises an alert of its own, and so does the age of the last one that did not.
        alert_on_failure=False,
        limits=Limits(nice=10),
        anomaly_tolerance=0.0,
        origin=ORIGIN,
    ),
)


def is_builtin(definition: TaskDefinition) -> bool:
    """Whether it is one of ours."""
    return definition.origin == ORIGIN and definition.name in COMMANDS


def fault_of(name: str, origin: str | None) -> str | None:
    """Return what is wrong with a row that claims to be ours, or None."""
    if origin != ORIGIN or name in COMMANDS:
        return None
    return f"the origin '{ORIGIN}' is kept for {', '.join(COMMANDS)}; set it to NULL for a task of your own"
