"""The figures as a file for node_exporter's textfile collector: whole or not at all, readable by everyone."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from smart_cron.core.errors import SmartCronError

MODE = 0o644


def write_whole(path: Path, text: str) -> None:
    """Put *text* where *path* stands, in one step for whoever reads. Raise SmartCronError, saying what to do."""
    # node_exporter reads what ends in .prom: not the part that is still being written.
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with suppress(FileNotFoundError):
            part.unlink()  # Of a process of the same number that was killed amid.
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, MODE)
            file.write(text)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise SmartCronError(
            f"the metrics file {path} cannot be written: {error.strerror}.",
            remedy="Make its folder, and let the user that runs Smart Cron write there.",
        ) from None
