"""The batch of lines on its way to the file, and the account of what a full or broken disk cost."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from smart_cron.logs.append_file import AppendError, AppendFile

_FLUSH_AT_LINES: Final = 512
_FLUSH_AT_BYTES: Final = 262_144


class LogWriter:
    """Gathers lines and writes them in one go. Never raises for the disk: lines that are lost are counted.

    `lost_line` renders the line that tells of it, from the number lost and the reason; it is written in front of the
    first batch that succeeds again.
    """

    def __init__(self, lost_line: Callable[[int, str], bytes]) -> None:
        self._file = AppendFile()
        self._lost_line = lost_line
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._bytes = 0
        self._path: Path | None = None
        self._pid = os.getpid()
        self._failing = False
        self._reason = ""
        self.lost = 0

    def add(self, path: Path, line: bytes, *, now: bool) -> None:
        """Take a line for the file at *path*; write it, and all before it, at once if *now*."""
        with self._lock:
            self._forget_parents_lines()
            if path is not self._path and path != self._path:  # a new day: what is held belongs to the old one
                self._write_held()
                self._path = path
            self._lines.append(line)
            self._bytes += len(line)
            if now or len(self._lines) >= _FLUSH_AT_LINES or self._bytes >= _FLUSH_AT_BYTES:
                self._write_held()

    def flush(self) -> None:
        """Write what is held."""
        with self._lock:
            self._forget_parents_lines()
            self._write_held()

    def close(self) -> None:
        """Write what is held and let go of the file."""
        self.flush()
        with self._lock:
            self._file.close()

    def _forget_parents_lines(self) -> None:
        # After a fork both processes hold the same lines: they are the parent's to write.
        if (pid := os.getpid()) != self._pid:
            self._pid = pid
            self._lines.clear()
            self._bytes = 0

    def _write_held(self) -> None:
        if not self._lines or self._path is None:
            return
        held, self._lines, self._bytes = self._lines, [], 0
        told = [self._lost_line(self.lost, self._reason)] if self.lost else []
        try:
            self._file.append(self._path, b"".join(told + held))
        except OSError as error:
            self._account_for(error, held, told=len(told))
        else:
            self.lost, self._failing = 0, False

    def _account_for(self, error: OSError, held: list[bytes], *, told: int) -> None:
        written = error.written_lines if isinstance(error, AppendError) else 0
        if told and written:
            self.lost = 0
        self.lost += len(held) - max(written - told, 0)
        self._reason = error.strerror or str(error)
        self._file.close()
        if not self._failing:
            self._failing = True
            self._say(
                f"smart-cron: cannot write the log {self._path}: {self._reason}. Lines are lost until it is mended."
            )

    @staticmethod
    def _say(sentence: str) -> None:
        # Standard error may be closed, or a pipe that nobody reads any more.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(sentence + "\n")
            sys.stderr.flush()
