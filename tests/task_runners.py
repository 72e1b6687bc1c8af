"""The task runners and supervisors of a home that a test made: found by the folder that they name, ended by pid."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

PATIENCE_SECONDS = 5.0


def task_runners(home: Path) -> list[int]:
    """Return the pids, the task runner first."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"task-runner" in words and any(word.startswith(str(home).encode() + b"/") for word in words):
            found.append(int(folder.name))
    return sorted(found)


def end_task_runners(home: Path) -> None:
    """End them with the runs that they hold: asked first, so that supervisors can end their trees, then killed."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for pid in reversed(task_runners(home)):
            with suppress(ProcessLookupError):
                os.kill(pid, sign)
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while task_runners(home) and time.monotonic() < ends_at:
            time.sleep(0.01)  # between two looks, never instead of one
