"""What a crontab holds, line by line: values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class LineKind(StrEnum):
    """What a line is. An `invalid` one was meant to be something, and its `problem` says why it is not."""

    BLANK = "blank"
    COMMENT = "comment"
    ENVIRONMENT = "environment"
    JOB = "job"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrontabLine:
    """One line and what it means. All but the first three fields belong to jobs, or to what was meant as one.

    `environment` is what the lines above set for the command; MAILTO is in `mail_to` (None: not set, empty: nobody
    wants mail) and CRON_TZ in `time_zone`. `stdin_text` is None where the command has no `%`.
    `remarks` are sentences on what Debian's cron would do otherwise, or what could not be kept.
    """

    number: int
    kind: LineKind
    text: str
    schedule: str = ""
    user: str | None = None
    command: str = ""
    stdin_text: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    time_zone: str | None = None
    mail_to: str | None = None
    problem: str = ""
    remarks: tuple[str, ...] = ()
    is_left_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CrontabReading:
    """A whole crontab: one entry for each of its lines, in order, and remarks on the file as such."""

    source: str
    system: bool
    user: str | None
    lines: tuple[CrontabLine, ...]
    remarks: tuple[str, ...] = ()

    @property
    def jobs(self) -> tuple[CrontabLine, ...]:
        """The lines that become tasks."""
        return tuple(line for line in self.lines if line.kind is LineKind.JOB)

    @property
    def faults(self) -> tuple[CrontabLine, ...]:
        """The lines that cannot be used."""
        return tuple(line for line in self.lines if line.kind is LineKind.INVALID)
