"""What looking at one thing came to, and what the probes are given to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from smart_cron.services.diagnosis.facts import DatabaseFacts, Receiver, Starters


class Verdict(StrEnum):
    """How it is. Only `wrong` needs somebody."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


class Case(StrEnum):
    """The five cases of trouble by their names, the one that may cause the others first."""

    DISK = "Disk space"
    DATABASE = "Database connection"
    NOT_RUNNING = "Tasks not running"
    STUCK = "Stuck in running"
    FAILURES = "Repeated failures"


class FixKind(StrEnum):
    """What may be mended without a person's judgement: none of it starts, ends or forgets a run."""

    MAKE = "make"
    CLOSE = "close"
    REMOVE = "remove"
    HEAL = "heal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A safe step that mends a finding. *target* is a path, and empty where the database is healed."""

    kind: FixKind
    target: str = ""
    mode: int = 0o750


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One sentence about *subject*, what to do about it where something can be done, and of which case it is."""

    subject: str
    verdict: Verdict
    sentence: str
    remedy: str = ""
    case: Case | None = None
    fix: Fix | None = None


def _none() -> Starters:
    return Starters()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What probes look at.

    *folders* are our directories by what is in them. *exposed* are sentences about those that others can write in.
    *runner_pid* answers with the task runner's pid, or None where none runs, and raises OSError where one does not
    answer. *read_database* raises SmartCronError where the database cannot be reached or does not fit; *database* is
    its URL without the password, *settings_file* where that is set. *master_works* says whether a master holds this
    node. *programs* are the names of the processes of this machine. *receivers* are the ways out for alerts, and
    *receiver_faults* what is wrong with their settings.
    *setting_names* are the environment's names that mean something, and *own_names* what it holds of our prefix.
    """

    node: str
    folders: dict[str, Path]
    exposed: Sequence[str]
    owner_uid: int
    owner: str
    starts_task_runner: bool
    runner_pid: Callable[[], int | None]
    database: str
    read_database: Callable[[], DatabaseFacts]
    settings_file: Path = Path("/etc/smart-cron/smart-cron.toml")
    closed_files: Sequence[Path] = ()
    usage: Mapping[str, Path] = field(default_factory=dict)
    master_works: Callable[[], bool] = bool
    starters: Callable[[], Starters] = _none
    programs: Callable[[], frozenset[str]] = frozenset
    receivers: Sequence[Receiver] = ()
    receiver_faults: Sequence[str] = ()
    setting_names: frozenset[str] = frozenset()
    own_names: Sequence[str] = ()
    node_silence: timedelta = timedelta(seconds=30)
    max_concurrent: int = 10
    script_directories: Sequence[str] | None = None
    task_path: str = "/usr/local/bin:/usr/bin:/bin"


Probe = Callable[[Surroundings], list[Finding]]


def ok(subject: str, sentence: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(subject=subject, verdict=Verdict.OK, sentence=sentence)


def note(subject: str, sentence: str, remedy: str = "", *, case: Case | None = None, fix: Fix | None = None) -> Finding:
    """Return a finding that somebody may want to know of."""
    return Finding(subject=subject, verdict=Verdict.NOTE, sentence=sentence, remedy=remedy, case=case, fix=fix)


def wrong(subject: str, sentence: str, remedy: str, *, case: Case | None = None, fix: Fix | None = None) -> Finding:
    """Return a finding that somebody has to mend."""
    return Finding(subject=subject, verdict=Verdict.WRONG, sentence=sentence, remedy=remedy, case=case, fix=fix)
