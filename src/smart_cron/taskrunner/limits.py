"""What a run may use: limits that the kernel keeps, limits that are sampled, and those that cannot be kept here."""

from __future__ import annotations

import os
import resource

from smart_cron.taskrunner.tree import descendants

TYPE_CHECKING = False
if TYPE_CHECKING:
    from smart_cron.taskrunner.cgroup import RunGroup
    from smart_cron.taskrunner.protocol import Order

    # (resource, (soft, hard)) for each that is limited.
    Limits = list[tuple[int, tuple[int, int]]]

SAMPLE_SECONDS = 0.1
# The soft limit ends a task with SIGXCPU; one that ignores it ends at the hard one.
CPU_PATIENCE_SECONDS = 5
# What programs expect that still use select(2); the runner's own limit is higher.
USUAL_OPEN_FILES = 1024
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def kernel_limits(order: Order) -> Limits:
    """Return the (resource, (soft, hard)) that the order asks for."""
    wanted = order["limits"]
    limits: Limits = []
    if (seconds := wanted.get("cpu_seconds")) is not None:
        limits.append((resource.RLIMIT_CPU, (seconds, seconds + CPU_PATIENCE_SECONDS)))
    if (count := wanted.get("open_files")) is not None:
        limits.append((resource.RLIMIT_NOFILE, (count, count)))
    return limits


def unkept_limits(order: Order, group: RunGroup | None = None) -> list[str]:
    """Return a sentence for each limit of the order that this machine cannot keep; *group* is the run's cgroup."""
    wanted = order.get("limits") or {}
    sentences = []
    if (processes := wanted.get("processes")) is not None and not (group and "pids" in group.keeps):
        sentences.append(f"the limit of {processes} processes is not kept: that needs a delegated cgroup")
    if order["nice"] < 0 and os.geteuid() != 0:
        sentences.append(f"nice {order['nice']} is not kept: only root may raise a priority")
    if (files := wanted.get("open_files")) is not None and os.geteuid() != 0:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if hard != resource.RLIM_INFINITY and files > hard:
            sentences.append(f"the limit of {files} open files is not kept: this user may have {hard} at most")
    return sentences


def within_reach(kind: int, wanted: tuple[int, int]) -> tuple[int, int]:
    """Return the wanted limit, or as much of it as this user may have."""
    hard = resource.getrlimit(kind)[1]
    if os.geteuid() == 0 or hard == resource.RLIM_INFINITY:
        return wanted
    return min(wanted[0], hard), min(wanted[1], hard)


def resident_bytes(root: int) -> int:
    """Return the resident memory of all descendants of *root*; what they share is counted for each."""
    return sum(_resident_pages(process.pid) for process in descendants(root)) * PAGE_BYTES


def _resident_pages(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1])
    except (OSError, IndexError):
        return 0
