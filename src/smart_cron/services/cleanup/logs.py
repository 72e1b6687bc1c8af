"""Day logs: old ones are compressed, very old ones deleted. Only files that are named as ours are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from smart_cron.core.retention import LogFate, Retention, log_fate
from smart_cron.services.cleanup.cleaner import Tell
from smart_cron.services.cleanup.folder import Folder, Found, opened
from smart_cron.services.cleanup.packing import pack, part_of
from smart_cron.services.cleanup.report import Done

_PART = re.compile(r"\.(?P<name>[a-z]+-\d{4}-\d\d-\d\d\.log)\.gz\.part", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """The folder of the logs; *today* is by the machine's own calendar, as the files are named."""

    folder: Path
    retention: Retention
    today: Callable[[], date]
    dry_run: bool

    def delete_old(self, tell: Tell) -> Done:
        """Delete compressed logs that are older than logs are kept."""
        return self._each(LogFate.GOES, _deleted, tell)

    def compress(self, tell: Tell) -> Done:
        """Compress logs that are older than they are kept as they are."""
        return self._each(LogFate.IS_COMPRESSED, _compressed, tell)

    def _each(self, fate: LogFate, act: Callable[[Folder, Found], int], tell: Tell) -> Done:
        count = freed = 0
        faults = []
        with opened(self.folder) as folder:
            for found in self._with_fate(folder, fate) if folder else ():
                assert folder is not None
                try:
                    # What compressing frees is known afterwards only.
                    freed += (found.size if fate is LogFate.GOES else 0) if self.dry_run else act(folder, found)
                except OSError as error:
                    faults.append(f"{self.folder / found.name}: {error.strerror or error}.")
                    continue
                count += 1
                tell(count)
        return Done(count=count, freed_bytes=max(freed, 0), faults=tuple(faults))

    def _with_fate(self, folder: Folder, fate: LogFate) -> Iterator[Found]:
        files = sorted(folder.files(), key=lambda found: found.name)
        if not self.dry_run:
            _sweep_parts(folder, files)
        today = self.today()
        return (found for found in files if log_fate(found.name, today=today, retention=self.retention) is fate)


def _sweep_parts(folder: Folder, files: list[Found]) -> None:
    """Delete what an interrupted compression left: what it was made of is still there."""
    for found in files:
        match = _PART.fullmatch(found.name)
        if match and found.name == part_of(match["name"]):
            with suppress(OSError):
                folder.remove(found.name)


def _deleted(folder: Folder, found: Found) -> int:
    folder.remove(found.name)
    return found.size


def _compressed(folder: Folder, found: Found) -> int:
    return found.size - pack(folder, found.name)
