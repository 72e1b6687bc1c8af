"""Day files: which file a line belongs to, by the machine's local date."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

from smart_cron.core.errors import InvalidInputError

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}", re.ASCII)


@dataclass(frozen=True, slots=True)
class DayLog:
    """The files `NAME-YYYY-MM-DD.log` of a folder, turning at local midnight (of *zone*; None is the machine's)."""

    directory: Path
    name: str = "master"
    zone: tzinfo | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidInputError([f"'{self.name}' is no name for a log."])

    def path_at(self, at: datetime) -> Path:
        """Return the file for lines of this aware instant."""
        return self.directory / f"{self.name}-{at.astimezone(self.zone):%Y-%m-%d}.log"


def day_files(directory: Path, name: str = "master") -> list[Path]:
    """Return the day files that there are, oldest first, compressed ones included; a plain file hides its `.gz`."""
    pattern = re.compile(rf"{re.escape(name)}-\d{{4}}-\d\d-\d\d\.log(\.gz)?", re.ASCII)
    found: dict[str, Path] = {}
    for path in sorted(directory.glob(f"{name}-*.log*")):
        if pattern.fullmatch(path.name):
            found.setdefault(path.name.removesuffix(".gz"), path)
    return [found[key] for key in sorted(found)]
