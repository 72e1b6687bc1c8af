from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from smart_cron.taskrunner import runfile
from smart_cron.taskrunner.rehearsal import ROUNDS

# In a process of its own: a rehearsal takes every child that it finds for its own.
PROGRAM = """
import os, signal, sys
from smart_cron.taskrunner.rehearsal import rehearse

def holdings():
    mask = os.umask(0o027)
    os.umask(mask)
    return sorted(os.listdir("/proc/self/fd")), mask, os.getcwd(), signal.set_wakeup_fd(-1)

os.chdir("/")
before = holdings()
gone_through = rehearse(sys.argv[1], "boot:random")
assert holdings() == before, f"{before} became {holdings()}"
print(gone_through)
"""


SLOW_MACHINE = "from smart_cron.taskrunner import run\nrun.ANNOUNCE_SECONDS = 0.0\n"


def rehearsed(directory: Path, *, first: str = "") -> int:
    source = str(Path(runfile.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", first + PROGRAM, str(directory)],
        env={"PYTHONPATH": source},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.returncode, done.stderr
    return int(done.stdout)


@pytest.mark.slow
def test_a_rehearsal_goes_through_whole_runs_and_leaves_nothing(tmp_path: Path) -> None:
    assert rehearsed(tmp_path) == ROUNDS

    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_rehearsal_goes_on_where_each_run_takes_long_enough_to_be_announced(tmp_path: Path) -> None:
    assert rehearsed(tmp_path, first=SLOW_MACHINE) == ROUNDS


@pytest.mark.slow
def test_a_rehearsal_that_cannot_be_held_is_left_out(tmp_path: Path) -> None:
    assert rehearsed(tmp_path / "missing") == 0
