"""A master that is frozen between its claim and its launch, and woken when the claim is no permission any more."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from tests.engine.conftest import Home, wait_until

POINTS = Path(__file__).parents[1] / "fault" / "crash_points.py"


def frozen_at(home: Home, point: str) -> int:
    """Start a master that stops itself at this point, have it come there, and return its pid."""
    marker = home.path / "frozen"
    home.program = (sys.executable, str(POINTS), f"frozen:{point}", str(marker))
    home.start_master()
    marker.with_name("frozen.armed").touch()
    home.due("late", "next")
    pid = int(wait_until(lambda: marker.exists() and marker.read_text(), f"a master at {point}"))
    wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", "it to stop")
    return pid


@pytest.mark.slow
@pytest.mark.parametrize("point", ["Claims.claim:commit", "RunnerLauncher.launch:before"])
def test_what_was_claimed_too_long_ago_is_not_started_by_the_master_that_wakes(home: Home, point: str) -> None:
    ran = home.path / "ran"
    tasks = [home.add(name, f"echo $SMART_CRON_TASK >> {ran}") for name in ("late", "next")]
    pid = frozen_at(home, point)
    (deadline,) = home.sql("SELECT MAX(launch_deadline) FROM smart_cron_executions WHERE status = 'claimed'")[0]
    wait_until(lambda: time.clock_gettime(time.CLOCK_BOOTTIME) > deadline, "the launch deadline")

    os.kill(pid, signal.SIGCONT)
    missed = [home.await_runs(1, task=task)[0] for task in tasks]

    assert [run["status"] for run in missed] == ["missed", "missed"]
    assert all("launch deadline" in run["error_message"] for run in missed)
    assert not ran.exists()
    home.due("late")
    assert home.await_runs(2, task=tasks[0])[1]["status"] == "success"
    assert ran.read_text() == "late\n"
