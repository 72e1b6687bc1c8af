"""How full are the disks below our folders: bytes, and room for further files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from smart_cron.core.health import CheckStatus, Finding, Threshold, worst
from smart_cron.services.patience import outermost, remount, silent_paths

NAME = "disk_space"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """How full one disk is, in percent. `files_percent` is None where it has no bound of files."""

    path: Path
    bytes_percent: float
    free_bytes: int
    files_percent: float | None = None

    @property
    def fullest(self) -> float:
        """The worse of the two."""
        return max(self.bytes_percent, self.files_percent or 0.0)


def look(folders: Mapping[str, Path], threshold: Threshold, *, seconds: float) -> Finding:
    """Ask each disk once; those that do not answer in so many seconds are passed over, and named."""
    silent = silent_paths(folders.values(), seconds=seconds)
    found = judge(list(_fills([path for path in folders.values() if path not in silent])), threshold)
    if not silent:
        return found
    untold = " and of ".join(map(str, outermost(silent)))
    others = f"; {found.message}" if found.details else "."
    return replace(
        found,
        status=worst([found.status, CheckStatus.UNKNOWN]),
        message=f"how full the disk of {untold} is cannot be told: it hangs{others}",
        remedy=f"{remount(outermost(silent)[0])} {found.remedy}".rstrip(),
    )


def judge(fills: list[Fill], threshold: Threshold) -> Finding:
    """Return what is to be said of these disks; the fullest one speaks for all."""
    if not fills:
        return Finding(check=NAME, status=CheckStatus.OK, message="there is no folder yet.")
    fullest = max(fills, key=lambda fill: fill.fullest)
    status = worst([threshold.judge(fill.fullest) for fill in fills])
    over = [_sentence(fill) for fill in fills if threshold.judge(fill.fullest) is not CheckStatus.OK]
    return Finding(
        check=NAME,
        status=status,
        message=f"{'; '.join(over or [_sentence(fullest)])}.",
        remedy="Make room there: old logs and outputs first. Without room no task starts." if over else "",
        measured=round(fullest.fullest, 1),
        threshold=threshold.crossed(fullest.fullest),
        unit=threshold.unit,
        details={str(fill.path): round(fill.fullest, 1) for fill in fills},
    )


def _sentence(fill: Fill) -> str:
    if (fill.files_percent or 0.0) > fill.bytes_percent:
        return f"of the files that the disk of {fill.path} has room for, {fill.files_percent:.0f} % are there"
    return f"the disk of {fill.path} is {fill.bytes_percent:.0f} % full ({fill.free_bytes / 1e9:.1f} GB free)"


def _fills(folders: Sequence[Path]) -> Iterator[Fill]:
    seen: set[int] = set()
    for path in folders:
        try:
            device = path.stat().st_dev
        except OSError:
            continue  # The check of the folders says that it is missing.
        if device not in seen:
            seen.add(device)
            yield fill_of(path)


def fill_of(path: Path) -> Fill:
    """Return how full the disk of *path* is, as df(1) counts: what only root may take is not free."""
    room = os.statvfs(path)
    used, free = room.f_blocks - room.f_bfree, room.f_bavail
    files_used = room.f_files - room.f_ffree
    files_known = files_used + room.f_favail
    return Fill(
        path=path,
        bytes_percent=100 * used / (used + free) if used + free else 0.0,
        free_bytes=free * room.f_frsize,
        files_percent=100 * files_used / files_known if room.f_files and files_known else None,
    )
