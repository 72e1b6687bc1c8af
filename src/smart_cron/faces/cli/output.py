"""A run's output, printed as the bytes that it was: followed while the run goes on, or read afterwards."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from smart_cron.config import Config

LOOK_AGAIN_SECONDS = 0.05


def output_path(config: Config, row: Mapping[str, Any]) -> Path | None:
    """Return the file of a run's output; that of a run which goes on elsewhere is known there."""
    from smart_cron.services.output.where import output_file

    if not row["output_path"] and row["node"] != config.node_name:
        return None
    return output_file(config.state_dir / "runs", row)


def print_copies(row: Mapping[str, Any]) -> None:
    """Print what the database keeps of a run's output, each stream to its own: its file is on another machine."""
    for text, target in ((row["stdout_output"], sys.stdout), (row["stderr_output"], sys.stderr)):
        target.buffer.write((text or "").encode("utf-8", "replace"))
        target.buffer.flush()


class OutputPrinter:
    """Prints what comes after what it printed already."""

    def __init__(self, path: Path, *, stream: str | None = None, apart: bool = False) -> None:
        from smart_cron.taskrunner.reading import OutputReader

        self._reader, self._stream, self._apart = OutputReader(path), stream, apart

    def print_new(self) -> None:
        """Print what is there. With `apart` standard error goes to ours, else everything to standard output."""
        touched: set[BinaryIO] = set()
        for chunk in self._reader.read(self._stream):
            target = (sys.stderr if self._apart and chunk.stream == "stderr" else sys.stdout).buffer
            target.write(chunk.data)
            touched.add(target)
        for target in touched:
            target.flush()


class Following:
    """Prints a run's output from a thread of its own, while the caller's waits for the end of the run.

    The file is asked for until there is one: a run has none before its start. What the thread meets (a reader of
    ours that left) is raised by `finish`.
    """

    def __init__(self, find: Callable[[], Path | None]) -> None:
        self._find, self._over = find, threading.Event()
        self._printer: OutputPrinter | None = None
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)

    def start(self) -> None:
        """Begin to print."""
        self._thread.start()

    @property
    def has_printed(self) -> bool:
        """Whether there was a file to print from."""
        return self._printer is not None

    def finish(self) -> None:
        """Print the rest and stop."""
        self._over.set()
        self._thread.join()
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        try:
            while not self._over.wait(LOOK_AGAIN_SECONDS):
                self._print()
            self._print()
        except Exception as error:  # noqa: BLE001  handed to the thread that decides
            self._fault = error

    def _print(self) -> None:
        if self._printer is None:
            path = self._find()
            self._printer = OutputPrinter(path, apart=True) if path else None
        if self._printer is not None:
            self._printer.print_new()
