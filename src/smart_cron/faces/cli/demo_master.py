"""The demo's master: the real `smart-cron master` as a child process, started again where it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from smart_cron.core.errors import SmartCronError

MOST_STARTS = 5
END_PATIENCE_SECONDS = 15


def environment_of(home: Path) -> dict[str, str]:
    """Return our environment with settings for this home alone: no other database, no other node."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SMART_CRON_")}
    return {**kept, "SMART_CRON_HOME": str(home)}


class DemoMaster:
    """Starts the master, sees whether it lives, ends it."""

    def __init__(self, environment: Mapping[str, str], complaints: Path) -> None:
        self._environment, self._complaints = dict(environment), complaints
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0

    def start(self) -> int:
        """Start it and return its process id. Raise SmartCronError where it died too often."""
        if self._starts >= MOST_STARTS:
            raise SmartCronError(
                f"the master ended {self._starts} times by itself: {self._last_words()}",
                remedy="'smart-cron logs' with this SMART_CRON_HOME may say why.",
            )
        self._starts += 1
        with self._complaints.open("ab") as complaints:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "smart_cron", "master"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=complaints,
                stderr=complaints,
                # Ctrl-C is for the demo, which then ends the master in order.
                start_new_session=True,
            )
        return self._process.pid

    def death(self) -> str | None:
        """Return how it ended, or None while it lives."""
        code = None if self._process is None else self._process.poll()
        if code is None:
            return None
        return f"by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"with exit code {code}"

    def end(self) -> None:
        """Ask it to end, and wait for that."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=END_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _last_words(self) -> str:
        lines = self._complaints.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing."
