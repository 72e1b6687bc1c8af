"""`SmartCronLogger`, the specification's class: leveled lines of JSON, and reading them back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, ClassVar

from smart_cron.logs import levels, reading
from smart_cron.logs.day_log import DayLog
from smart_cron.logs.line import LineFormat
from smart_cron.logs.writer import LogWriter


def utc_now() -> datetime:
    """Return the wall clock's instant, aware, in UTC."""
    return datetime.now(UTC)


class SmartCronLogger:
    """Writes events to a log file, one JSON object a line. Never raises for the disk; see `lost_lines`.

    *log_file* is a path, or a `DayLog` whose file turns at midnight. A *buffered* logger holds lines below WARNING
    until `flush` (the engine calls it once a tick) or a few hundred lines; the default writes each line at once.
    """

    LEVEL_DEBUG: ClassVar[str] = levels.DEBUG
    LEVEL_INFO: ClassVar[str] = levels.INFO
    LEVEL_WARNING: ClassVar[str] = levels.WARNING
    LEVEL_ERROR: ClassVar[str] = levels.ERROR
    LEVEL_CRITICAL: ClassVar[str] = levels.CRITICAL

    def __init__(
        self,
        log_file: str | Path | DayLog,
        log_level: str = levels.INFO,
        *,
        buffered: bool = False,
        now: Callable[[], datetime] = utc_now,
        zone: tzinfo | None = None,
    ) -> None:
        """Open nothing yet; raise InvalidInputError for an unknown level. *now* gives aware instants."""
        self._day_log = log_file if isinstance(log_file, DayLog) else None
        never = datetime.min.replace(tzinfo=UTC)
        # A second (its begin and end) and its file as one value: threads never see one without the other.
        self._file_of = (never, never, Path() if isinstance(log_file, DayLog) else Path(log_file))
        self._threshold = levels.weight_of(log_level)
        self._immediate = levels.WEIGHTS[levels.WARNING] if buffered else 0
        self._now = now
        self._format = LineFormat(zone=zone or (self._day_log.zone if self._day_log else None))
        self._writer = LogWriter(self._lost_line)

    def debug(self, message: str, context: Mapping[str, object] | None = None) -> None:
        """Log what only somebody who looks for a fault wants to read."""
        self.log(levels.DEBUG, message, context)

    def info(self, message: str, context: Mapping[str, object] | None = None) -> None:
        """Log what happened as it should."""
        self.log(levels.INFO, message, context)

    def warning(self, message: str, context: Mapping[str, object] | None = None) -> None:
        """Log what went on all the same but wants a look."""
        self.log(levels.WARNING, message, context)

    def error(self, message: str, context: Mapping[str, object] | None = None) -> None:
        """Log what failed."""
        self.log(levels.ERROR, message, context)

    def critical(self, message: str, context: Mapping[str, object] | None = None) -> None:
        """Log what stops the system from doing its work."""
        self.log(levels.CRITICAL, message, context)

    def log(self, level: str, message: str, context: Mapping[str, object] | None = None) -> None:
        """Log at one of the LEVEL_ constants; below the logger's own level nothing is done."""
        weight = levels.WEIGHTS[level]
        if weight < self._threshold:
            return
        at = self._now()
        line = self._format.render(at, level, message, context or {})
        self._writer.add(self._path_at(at), line, now=weight >= self._immediate)

    def flush(self) -> None:
        """Write the lines that a buffered logger holds."""
        self._writer.flush()

    def close(self) -> None:
        """Write what is held and let go of the file; a later line opens it again."""
        self._writer.close()

    @property
    def lost_lines(self) -> int:
        """How many lines the disk has refused since it last took one."""
        return self._writer.lost

    @staticmethod
    def get_tail(log_file: str | Path, lines: int = 100) -> list[dict[str, Any]]:
        """Return the last entries, oldest first; `[]` where there is no such file. See `reading.tail`."""
        return reading.tail(Path(log_file), lines)

    @staticmethod
    def search(log_file: str | Path, criteria: Mapping[str, Any], limit: int = 100) -> list[dict[str, Any]]:
        """Return the latest entries that meet all criteria, oldest first. See `criteria.Criteria` for the keys."""
        return reading.search(Path(log_file), criteria, limit)

    def _path_at(self, at: datetime) -> Path:
        begins_at, ends_at, path = self._file_of
        if self._day_log is None or begins_at <= at < ends_at:
            return path
        second, path = at.replace(microsecond=0), self._day_log.path_at(at)
        self._file_of = (second, second + timedelta(seconds=1), path)
        return path

    def _lost_line(self, lost: int, reason: str) -> bytes:
        words = "1 log line was lost" if lost == 1 else f"{lost} log lines were lost"
        return self._format.render(self._now(), levels.WARNING, words, {"lost": lost, "reason": reason})
