"""The tables of the original PHP system, taken over: what a person decides about it, and what becomes of its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from smart_cron.core.errors import SmartCronError
from smart_cron.core.run import ErrorType, Status, Trigger

Values = dict[str, Any]
TIMED_OUT = 124
SIGNALLED = 128
NEVER_ENDED = "the PHP system never recorded how it ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """How to take a PHP system over.

    `zone` is where its DATETIMEs were written, a name or an offset such as +13:00; None for the server's own.
    `backup` is handed the tables and takes a copy of them first, returning a sentence; `say` hears what was done.
    """

    backup: Callable[[Sequence[str]], str] | None
    without_backup: bool = False
    zone: str | None = None
    say: Callable[[str], None] = lambda _: None


def read_zone(text: str) -> ZoneInfo | timezone:
    """Return a zone by its name or its offset. Raise SmartCronError for what is neither."""
    try:
        if text[:1] in "+-":
            moment = datetime.strptime(text, "%z")
            return timezone(moment.utcoffset() or timedelta())
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise SmartCronError(
            f"'{text}' is no time zone.", remedy="Take a name such as Europe/Berlin, or an offset such as +13:00."
        ) from None


def in_utc(text: str, zone: ZoneInfo | timezone) -> str:
    """Return a DATETIME of that zone in UTC; what is no date is left for whoever tells it."""
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return text
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}"


def task_taken_over(php: Values, *, now: str, zone: str | None) -> Values:
    """Return what a task's row becomes.

    Nothing of it runs, whatever it says, and slots of the time before are not ours to have missed: a `next_run_at` in
    the past would be one, so it is found anew. *now* is an instant as its columns are written.
    """
    next_run_at, total = php.get("next_run_at"), php.get("total_executions") or 0
    return {
        **php,
        "is_running": 0,
        "next_run_at": next_run_at if next_run_at is not None and next_run_at > now else None,
        "timed_executions": total,
        "timed_seconds": float(total * (php.get("avg_execution_time") or 0.0)),
        "last_status": _last_status(php),
        "time_zone": php.get("time_zone") or zone,
        "created_at": php.get("created_at") or now,
        "updated_at": php.get("updated_at") or now,
    }


def _last_status(php: Values) -> str | None:
    if php.get("last_run_at") is None:
        return None
    return str(Status.FAILED if php.get("consecutive_failures") else Status.SUCCESS)


def run_taken_over(php: Values) -> Values:
    """Return what an execution becomes. How it ended is read from what was recorded, and never guessed."""
    status, error_type = _end(php)
    started_at = php.get("started_at")
    is_lost = status is Status.LOST
    return {
        **php,
        "task_name": php.get("task_name") or "",
        "status": str(status),
        "success": int(status is Status.SUCCESS),
        "error_type": php.get("error_type") or error_type,
        "error_message": php.get("error_message") or (NEVER_ENDED if is_lost else None),
        "completed_at": php.get("completed_at") or started_at,
        "triggered_by": _trigger(php.get("triggered_by")),
        "due_at": started_at,
        "created_at": started_at or php.get("completed_at"),
    }


def _end(php: Values) -> tuple[Status, str | None]:
    code, kind = php.get("exit_code"), str(php.get("error_type") or "")
    if php.get("success"):
        return Status.SUCCESS, None
    if code == TIMED_OUT or "timeout" in kind.lower():
        return Status.TIMEOUT, str(ErrorType.TIMEOUT)
    if php.get("completed_at") is None and code is None:
        return Status.LOST, str(ErrorType.LOST)
    is_signal = isinstance(code, int) and code > SIGNALLED
    return Status.FAILED, str(ErrorType.SIGNAL if is_signal else ErrorType.EXIT_CODE)


def _trigger(word: object) -> str:
    return str(word) if word in set(Trigger) else str(Trigger.CRON)


def alert_taken_over(php: Values) -> Values:
    """Return what an alert becomes: it stands as it stood, and nobody is told of it once more."""
    return {**php, "untold": 0}


def audit_taken_over(php: Values) -> Values:
    """Return what an audit row becomes."""
    user = php.get("user_id")
    return {**php, "actor": php.get("actor") or ("php" if user is None else f"php:{user}")}
