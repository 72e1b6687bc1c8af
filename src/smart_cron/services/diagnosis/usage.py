"""What of ours takes how much room, so that whoever has to make some knows where."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from smart_cron.services.diagnosis.finding import Finding, Surroundings, ok

MEGABYTE = 1 << 20
GIGABYTE = 1 << 30
# A look, not an audit: a log folder of years is cut short and said to be.
MOST_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a folder holds, with everything below it. *whole* says that nothing was left out."""

    name: str
    path: Path
    used_bytes: int
    files: int
    whole: bool = True


def probe_usage(surroundings: Surroundings) -> list[Finding]:
    """Tell how much logs, output, backups and the database take, the biggest first."""
    ends_at = time.monotonic() + MOST_SECONDS
    others = frozenset(map(str, surroundings.usage.values()))
    found = [measure(name, path, ends_at=ends_at, others=others) for name, path in surroundings.usage.items()]
    return [judge_usage(found)] if found else []


def judge_usage(found: list[Usage]) -> Finding:
    """Return what is to be said of what our folders hold."""
    biggest_first = sorted(found, key=lambda usage: usage.used_bytes, reverse=True)
    parts = [f"{usage.name} {_words(usage)} in {usage.path}" for usage in biggest_first]
    return ok("usage", f"of ours, the biggest first: {'; '.join(parts)}.")


def _words(usage: Usage) -> str:
    least = "" if usage.whole else "at least "
    files = f"{usage.files} file{'' if usage.files == 1 else 's'}"
    return f"{least}{in_words(usage.used_bytes)} ({files})"


def measure(name: str, path: Path, *, ends_at: float, others: frozenset[str] = frozenset()) -> Usage:
    """Add up what is on the disk below a folder, or a file's size, until *ends_at* on the monotonic clock.

    Folders among *others* are counted by themselves.
    """
    used = files = 0
    for size in _sizes(path, others):
        used, files = used + size, files + 1
        if time.monotonic() > ends_at:
            return Usage(name=name, path=path, used_bytes=used, files=files, whole=False)
    return Usage(name=name, path=path, used_bytes=used, files=files)


def _sizes(path: Path, others: frozenset[str]) -> Iterator[int]:
    if not path.is_dir():
        yield from (near.lstat().st_blocks * 512 for near in path.parent.glob(f"{path.name}*"))
        return
    for folder, inner, names in os.walk(path, onerror=None, followlinks=False):
        inner[:] = [each for each in inner if os.path.join(folder, each) not in others]
        for name in names:
            yield _blocks(os.path.join(folder, name))


def _blocks(path: str) -> int:
    try:
        # What it takes, not what it says: files may have holes.
        return os.lstat(path).st_blocks * 512
    except OSError:
        return 0  # Gone since the folder was read.


def in_words(count: int) -> str:
    """Return a number of bytes as a person reads it."""
    if count >= GIGABYTE:
        return f"{count / GIGABYTE:.1f} GB"
    return f"{count // MEGABYTE} MB" if count >= MEGABYTE or not count else f"{max(1, count // 1024)} kB"
