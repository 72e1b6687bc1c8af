"""How the last test of each channel went, kept in the state directory: no secret, and nothing that must not be lost."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

FILE = "channel-tests.json"
MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """One test: when, whether the message was taken, and the server's answer or the reason."""

    __test__ = False  # for pytest, which takes a class of this name for tests

    tested_at: datetime
    ok: bool
    words: str


def last_tests(state_dir: Path) -> Mapping[str, TestResult]:
    """Return the last result of each channel by its name; none where the file is missing, torn or closed to us."""
    try:
        with (state_dir / FILE).open("rb") as file:
            kept = json.loads(file.read(MAX_BYTES))
        return {name: _read(entry) for name, entry in kept.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def remember(state_dir: Path, channel: str, result: TestResult) -> None:
    """Keep a result as the last one of its channel. Raise OSError where the file cannot be written."""
    entries = {name: _entry(each) for name, each in last_tests(state_dir).items()} | {channel: _entry(result)}
    part = state_dir / f".{FILE}.{os.getpid()}"
    with suppress(FileNotFoundError):
        part.unlink()
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            _hand_to_owner(descriptor, state_dir)
            json.dump(entries, file, indent=1)
        part.replace(state_dir / FILE)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


def _hand_to_owner(descriptor: int, state_dir: Path) -> None:
    """A test by root must not leave a file that the service user cannot read."""
    if os.geteuid() == 0:
        owner = state_dir.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _entry(result: TestResult) -> Mapping[str, object]:
    return {"tested_at": result.tested_at.isoformat(), "ok": result.ok, "words": result.words}


def _read(entry: Mapping[str, object]) -> TestResult:
    at = datetime.fromisoformat(str(entry["tested_at"]))
    return TestResult(tested_at=at, ok=entry["ok"] is True, words=str(entry["words"]))
