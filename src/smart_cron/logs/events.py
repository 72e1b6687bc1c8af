"""Log events: a fixed sentence and its facts as fields; how the two are put together is said here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from smart_cron.logs import levels
from smart_cron.logs.day_log import DayLog
from smart_cron.logs.logger import SmartCronLogger, utc_now


class EventLog:
    """The log as the engine and the services see it (`core.ports.Log`).

    `log.info("Task completed successfully", task="report", exit_code=0)` writes the message
    `Task completed successfully: report` with all fields as its context, which is what the specification greps for.
    """

    def __init__(self, logger: SmartCronLogger) -> None:
        self._logger = logger

    def debug(self, event: str, **fields: object) -> None:
        """Log an event at DEBUG."""
        self._logger.log(levels.DEBUG, _message(event, fields), fields)

    def info(self, event: str, **fields: object) -> None:
        """Log an event at INFO."""
        self._logger.log(levels.INFO, _message(event, fields), fields)

    def warning(self, event: str, **fields: object) -> None:
        """Log an event at WARNING."""
        self._logger.log(levels.WARNING, _message(event, fields), fields)

    def error(self, event: str, **fields: object) -> None:
        """Log an event at ERROR."""
        self._logger.log(levels.ERROR, _message(event, fields), fields)

    def critical(self, event: str, **fields: object) -> None:
        """Log an event at CRITICAL."""
        self._logger.log(levels.CRITICAL, _message(event, fields), fields)

    def flush(self) -> None:
        """Write what a buffered logger holds; the engine calls this once a tick."""
        self._logger.flush()


def _message(event: str, fields: dict[str, object]) -> str:
    task = fields.get("task")
    return event if task is None else f"{event}: {task}"


def open_event_log(
    log_dir: Path, *, kind: str = "master", level: str = levels.INFO, now: Callable[[], datetime] = utc_now
) -> EventLog:
    """Return the buffered event log of a part (`master`, `health`, `cleanup`): files `KIND-YYYY-MM-DD.log`."""
    return EventLog(SmartCronLogger(DayLog(log_dir, kind), level, buffered=True, now=now))
