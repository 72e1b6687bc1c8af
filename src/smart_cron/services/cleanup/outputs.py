"""Output files of this node: they go by their age, after their rows, and the oldest where they take too much room.

A day's folder at a time, so that millions of files need no memory. A run's files (its main file and the segments of a
long tail) stay or go together. Never touched is what belongs to a run that is not final, or whose run file exists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from smart_cron.core.ports.cleanup import CleanupStore, KnownRun
from smart_cron.core.retention import ORPHAN_AGE, Retention
from smart_cron.services.cleanup.cleaner import Tell
from smart_cron.services.cleanup.folder import Folder, opened
from smart_cron.services.cleanup.report import Done

_RUN_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAME = re.compile(rf"(?P<run_id>{_RUN_ID})\.out(\.[oer]\d{{1,9}})?", re.ASCII)
# Asked for at a time, by their run ids.
_PORTION = 500
# A folder of a day that a run may still be writing to, whatever its zone, is left even where it is empty.
_FOLDER_AGE = timedelta(days=2)
_FAULTS_NAMED = 3


@dataclass(slots=True)
class _Files:
    """The files of one run in one folder."""

    run_id: str
    modified_at: datetime
    names: list[str] = field(default_factory=list)
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """The output files below *root*. *sheltered* are the run ids whose run files exist."""

    root: Path
    store: CleanupStore
    retention: Retention
    now: Callable[[], datetime]
    sheltered: Callable[[], Sequence[str]]
    dry_run: bool

    def clean(self, tell: Tell) -> Done:
        """Delete what is too old or has no row any more; then the oldest until the rest fits the budget."""
        with opened(self.root) as root:
            if root is None:
                return Done()
            sweep = _Sweep(self, root, tell)
            kept = sum(sweep.aged(day) for day in _days(root))
            budget = self.retention.output_budget
            if budget is not None and kept > budget:
                sweep.trim(kept - budget)
            return sweep.done


class _Sweep:
    """One time through the folders."""

    def __init__(self, outputs: Outputs, root: Folder, tell: Tell) -> None:
        self._outputs, self._root, self._tell = outputs, root, tell
        self._now = outputs.now()
        # Read once: of a run that begins now neither file is old enough for anything.
        self._sheltered = frozenset(outputs.sheltered())
        self._count = self._freed = 0
        self._faults: list[str] = []

    @property
    def done(self) -> Done:
        """What was done."""
        named = self._faults[:_FAULTS_NAMED]
        more = len(self._faults) - len(named)
        faults = (*named, *([f"{more} more output files could not be deleted."] if more else []))
        return Done(count=self._count, freed_bytes=self._freed, faults=faults)

    def aged(self, day: str) -> int:
        """Delete the files of a day that are too old, or without a row; return how many bytes stay."""
        kept = 0
        for folder, portion, known in self._portions(day):
            for files in portion:
                if self._is_over(files, known.get(files.run_id)):
                    self._remove(folder, day, files)
                else:
                    kept += files.size
        if not self._outputs.dry_run and self._is_past(day):
            self._root.remove_if_empty(day)
        return kept

    def trim(self, excess: int) -> None:
        """Delete finished runs' files, the oldest first, until so many bytes are gone."""
        for day in _days(self._root):
            for folder, portion, known in self._portions(day):
                for files in portion:
                    run = known.get(files.run_id)
                    if self._is_over(files, run) or not self._is_settled(files, run):
                        continue  # Counted already, where this is a dry run; or in use.
                    if excess <= 0:
                        return
                    excess -= files.size
                    self._remove(folder, day, files)
            if not self._outputs.dry_run and self._is_past(day):
                self._root.remove_if_empty(day)

    def _portions(self, day: str) -> Iterator[tuple[Folder, Sequence[_Files], Mapping[str, KnownRun]]]:
        """Yield the runs of a day in portions, the oldest first, with the executions that they belong to."""
        try:
            with self._root.inside(day) as folder:
                groups = sorted(_grouped(folder), key=lambda files: files.modified_at)
                for at in range(0, len(groups), _PORTION):
                    portion = groups[at : at + _PORTION]
                    yield folder, portion, self._outputs.store.known_runs([files.run_id for files in portion])
        except FileNotFoundError:
            return

    def _is_over(self, files: _Files, run: KnownRun | None) -> bool:
        """Whether the files have had their time, or have outlived their row."""
        age = self._outputs.retention.output
        if not self._is_settled(files, run):
            return False
        return run is None or (age is not None and self._now - files.modified_at > age)

    def _is_settled(self, files: _Files, run: KnownRun | None) -> bool:
        """Whether nobody will write or record them any more."""
        if files.run_id in self._sheltered:
            return False
        return self._now - files.modified_at > ORPHAN_AGE if run is None else run.is_final

    def _is_past(self, day: str) -> bool:
        return self._now.date() - date.fromisoformat(day) > _FOLDER_AGE

    def _remove(self, folder: Folder, day: str, files: _Files) -> None:
        if not self._outputs.dry_run:
            try:
                for name in files.names:
                    folder.remove(name)
            except OSError as error:
                self._faults.append(f"{day}/{files.names[0]} could not be deleted: {error.strerror}.")
                return
        self._count += len(files.names)
        self._freed += files.size
        self._tell(self._count)


def _days(root: Folder) -> list[str]:
    """Return the folders that are days, the earliest first; others are not ours."""
    return [name for name in root.folders() if _is_day(name)]


def _is_day(name: str) -> bool:
    try:
        return date.fromisoformat(name).isoformat() == name
    except ValueError:
        return False


def _grouped(folder: Folder) -> list[_Files]:
    groups: dict[str, _Files] = {}
    for found in folder.files():
        match = _NAME.fullmatch(found.name)
        if match is None:
            continue
        files = groups.setdefault(match["run_id"], _Files(match["run_id"], found.modified_at))
        files.names.append(found.name)
        files.size += found.size
        files.modified_at = max(files.modified_at, found.modified_at)
    return list(groups.values())
