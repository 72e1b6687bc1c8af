"""A command that runs beside this one, in a process of its own: it is started again where it dies, and ends with us."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

from smart_cron.faces.cli.errors import note

# Ours ends within five seconds in all, and what the other one holds outlives it.
END_SECONDS = 4.5
# One that ends sooner has not come up at all, and would not the next time.
SETTLED_SECONDS = 5.0
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
_PR_SET_PDEATHSIG = 1


class Companion:
    """`smart-cron COMMAND`, kept running."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._ending, self._failed = threading.Event(), False
        self._ends_by = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: threading.Thread | None = None

    def start(self) -> None:
        """Start it; from now on it is kept running."""
        self._process = self._begun()
        self._keeper = threading.Thread(target=self._keep, name=self._command, daemon=True)
        self._keeper.start()

    def end(self) -> None:
        """Ask it to end; safe in the handler of a signal."""
        if self._ending.is_set():
            return
        self._ends_by = time.monotonic() + END_SECONDS
        self._ending.set()
        self._tell(signal.SIGTERM)

    def wait_for_end(self) -> int:
        """Wait for its end, and make one where it takes too long; return our exit code."""
        self.end()
        process = self._process
        if process is None:
            return 0
        try:
            process.wait(max(0.1, self._ends_by - time.monotonic()))
        except subprocess.TimeoutExpired:
            # Nothing is lost by that: what it began is in the files of the runs.
            process.kill()
        return 1 if self._failed else 0

    def _keep(self) -> None:
        pause = SHORTEST_PAUSE
        while self._process is not None:
            begun_at = time.monotonic()
            code = self._process.wait()
            if self._ending.is_set():
                return
            if time.monotonic() - begun_at < SETTLED_SECONDS and pause == SHORTEST_PAUSE:
                self._give_up()
                return
            pause = SHORTEST_PAUSE if time.monotonic() - begun_at > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)
            note(f"The {self._command} ended with exit code {code}; another one is started in {pause:.0f} s.")
            if self._ending.wait(pause):
                return
            self._process = self._begun()
            if self._ending.is_set():
                self._tell(signal.SIGTERM)

    def _give_up(self) -> None:
        """It has said why itself."""
        self._failed = True
        os.kill(os.getpid(), signal.SIGTERM)

    def _tell(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    def _begun(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "smart_cron", self._command],
            stdin=subprocess.DEVNULL,
            # A terminal that closes sends SIGHUP to its whole group, and the master would take that as a wish to read
            # its settings anew, and live on alone.
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  one call into the C library, looked up before the fork
        )


_prctl = ctypes.CDLL(None, use_errno=True).prctl


def _end_with_parent() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
