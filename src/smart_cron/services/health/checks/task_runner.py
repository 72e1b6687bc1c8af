"""Is this node's task runner there, and does it answer."""

from __future__ import annotations

from collections.abc import Callable

from smart_cron.core.health import CheckStatus, Finding
from smart_cron.services.health.checks.words import none_of

NAME = "task_runner"


def look(find: Callable[[], int | None], *, is_unit: bool) -> Finding:
    """*find* returns its pid or None, and raises OSError for one that is silent; *is_unit*: nobody else starts it."""
    try:
        pid = find()
    except OSError as error:
        return _fault(
            f"{error}.", "A master that works replaces it; running tasks go on meanwhile. See: smart-cron node list"
        )
    return judge(pid, is_unit=is_unit)


def judge(pid: int | None, *, is_unit: bool) -> Finding:
    """Return what is to be said of a task runner with this pid, or of none."""
    if pid is not None:
        return none_of("faults", NAME, f"the task runner answers (process {pid}).")
    if not is_unit:
        return none_of("faults", NAME, "no task runner is running; the master starts it when it needs one.")
    return _fault(
        "no task runner is running, and the settings leave it to a unit (start_task_runner): nothing starts.",
        "Start it: systemctl start smart-cron-taskrunner",
    )


def _fault(message: str, remedy: str) -> Finding:
    return Finding(
        check=NAME,
        status=CheckStatus.CRITICAL,
        message=message,
        remedy=remedy,
        measured=1.0,
        threshold=1.0,
        unit="faults",
    )
