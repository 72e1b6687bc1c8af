"""Being quicker than what is to be killed.

Two hundred processes that fork without end take a hundredth part of the machine each, and so would whoever kills them:
more are born than die, for as long as it lasts. Ahead of all of them, for the time of the killing, it takes less than
a second. That needs root; another user's supervisors go on as they are, and only a cgroup makes their end certain.
"""

from __future__ import annotations

import os

HURRIED = os.SCHED_RR


def hurry() -> None:
    """Have this process run before all ordinary ones, where the kernel lets it: sched(7). What it forks is not."""
    try:
        os.sched_setscheduler(0, HURRIED | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        return


def slow_down() -> None:
    """Take this process's place among all others again."""
    if os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == HURRIED:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
