from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from smart_cron.taskrunner import urgency
from smart_cron.taskrunner.urgency import HURRIED, hurry, slow_down

SOURCE = str(Path(urgency.__file__).parents[2])


def policy() -> int:
    return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK


def test_what_hurries_takes_its_old_place_again() -> None:
    before = policy()
    hurry()
    hurried = policy()
    slow_down()

    assert hurried in (HURRIED, before)  # Without the privilege nothing changes.
    assert policy() == before


def test_slowing_down_without_a_hurry_changes_nothing() -> None:
    before = policy()
    slow_down()

    assert policy() == before


def test_a_child_of_what_hurries_is_in_no_hurry() -> None:
    hurried_parent = (
        f"import os, sys; sys.path.insert(0, {SOURCE!r})\n"
        "from smart_cron.taskrunner.urgency import HURRIED, hurry\n"
        "hurry()\n"
        "if os.fork() == 0: os._exit(int(os.sched_getscheduler(0) == HURRIED))\n"
        "sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))\n"
    )

    assert subprocess.run([sys.executable, "-c", hurried_parent], check=False).returncode == 0
