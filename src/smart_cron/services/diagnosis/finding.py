"""What looking at one thing came to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path


class Verdict(StrEnum):
    """How it is. Only `wrong` needs somebody."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One sentence about *subject*, and what to do about it where something can be done."""

    subject: str
    verdict: Verdict
    sentence: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What probes look at.

    *folders* are our directories by what is in them. *exposed* are sentences about those that others can write in.
    *runner_pid* answers with the task runner's pid, or None where none runs, and raises OSError where one does not
    answer. *database_offset* answers with how far the database's clock is ahead of this machine's, and raises
    SmartCronError where the database cannot be reached or does not fit.
    """

    node: str
    folders: dict[str, Path]
    exposed: Sequence[str]
    owner_uid: int
    owner: str
    starts_task_runner: bool
    runner_pid: Callable[[], int | None]
    database: str
    database_offset: Callable[[], timedelta]


Probe = Callable[[Surroundings], list[Finding]]


def ok(subject: str, sentence: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(subject=subject, verdict=Verdict.OK, sentence=sentence)


def note(subject: str, sentence: str, remedy: str = "") -> Finding:
    """Return a finding that somebody may want to know of."""
    return Finding(subject=subject, verdict=Verdict.NOTE, sentence=sentence, remedy=remedy)


def wrong(subject: str, sentence: str, remedy: str) -> Finding:
    """Return a finding that somebody has to mend."""
    return Finding(subject=subject, verdict=Verdict.WRONG, sentence=sentence, remedy=remedy)
