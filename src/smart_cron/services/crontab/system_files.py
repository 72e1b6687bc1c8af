"""Which files are the machine's crontabs, by the rules of Debian's cron(8): name, owner and mode."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# run-parts' own rule: a dot hides what package tools and editors leave behind (`.dpkg-old`, `~`).
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemCrontabs:
    """The files that cron reads, and a sentence on each that it passes over."""

    files: tuple[Path, ...]
    passed_over: tuple[str, ...]


def system_crontabs(etc: Path = Path("/etc"), *, owner: int = 0) -> SystemCrontabs:
    """Return /etc/crontab and the files of /etc/cron.d as cron would read them. *owner* is root but in tests."""
    files: list[Path] = []
    passed_over: list[str] = []
    for path in [etc / "crontab", *_entries(etc / "cron.d")]:
        if reason := _why_not(path, owner, named_freely=path.parent == etc):
            passed_over.append(f"{path} is passed over, as cron does: {reason}.")
        elif path.exists():
            files.append(path)
    return SystemCrontabs(files=tuple(files), passed_over=tuple(passed_over))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name != ".placeholder")
    except FileNotFoundError:
        return []


def _why_not(path: Path, owner: int, *, named_freely: bool) -> str:
    if not named_freely and not _NAME.fullmatch(path.name):
        return "its name has other characters than letters, digits, '_' and '-'"
    try:
        link, file = os.lstat(path), os.stat(path)
    except FileNotFoundError:
        return "it is a link to nothing" if path.is_symlink() else ""
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if not stat.S_ISREG(file.st_mode):
        return "it is no regular file"
    if link.st_uid != owner or file.st_uid != owner:
        return "it does not belong to root"
    return "others than its owner may write it" if file.st_mode & 0o022 else ""
