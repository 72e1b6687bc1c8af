"""The job that APScheduler runs: a module of its own, since a job store keeps the name of a function."""

from __future__ import annotations

import subprocess
import time

# When each job of this process started, by the monotonic clock.
STARTS: list[float] = []


def run_program(program: str) -> None:
    """Run *program* as users do who want its output."""
    STARTS.append(time.monotonic())
    subprocess.run([program], capture_output=True, check=True)
