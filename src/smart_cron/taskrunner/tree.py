"""Process trees: who descends from whom, and how to signal all of them without hitting a stranger."""

from __future__ import annotations

import os
import signal
import time
from collections import namedtuple

# Of a tree that forks without end no walk sees the last leaf.
WALK_SECONDS = 0.1


class Process(namedtuple("Process", "pid name state ppid session start_ticks")):  # noqa: PYI024 - typing is heavy
    """One line of /proc/PID/stat."""

    __slots__ = ()
    pid: int
    name: str
    state: str
    ppid: int
    session: int
    start_ticks: int

    @property
    def is_dead(self) -> bool:
        return self.state in "ZX"

    def __str__(self) -> str:
        return f"{self.pid}:{self.name}"


def read_process(pid: int) -> Process | None:
    """Return what /proc says of *pid*, or None where there is no such process any more."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            head, _, tail = file.read().rpartition(b")")
    except OSError:
        return None
    name = head.partition(b"(")[2].decode(errors="replace")
    fields = tail.split()
    return Process(pid, name, fields[0].decode(), int(fields[1]), int(fields[3]), int(fields[19]))


def children_of(pid: int) -> list[int]:
    """Return the direct children of *pid*, zombies included."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    children: list[int] = []
    try:
        for thread in threads:
            children.extend(_children_of_thread(pid, thread))
    except FileNotFoundError:
        # Either the process has just ended, or this kernel was built without these lists.
        return _children_by_scan(pid)
    return children


def _children_of_thread(pid: int, thread: str) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
            return [int(child) for child in file.read().split()]
    except ProcessLookupError:
        return []


def _children_by_scan(pid: int) -> list[int]:
    return [process.pid for process in all_processes() if process.ppid == pid]


def all_processes() -> list[Process]:
    """Return every process that this user can see."""
    found = (read_process(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [process for process in found if process is not None]


def descendants(root: int, *, beside: frozenset[int] = frozenset()) -> list[Process]:
    """Return all living descendants of *root*, parents first; the subtrees of the children *beside* are left out."""
    waiting = [pid for pid in children_of(root) if pid not in beside]
    seen = set(waiting)
    found = []
    give_up_at = time.monotonic() + WALK_SECONDS
    while waiting and time.monotonic() < give_up_at:
        pid = waiting.pop()
        process = read_process(pid)
        if process is not None and not process.is_dead:
            found.append(process)
        # A zombie leader may still have threads with children.
        fresh = [child for child in children_of(pid) if child not in seen]
        seen.update(fresh)
        waiting.extend(fresh)
    return found


def send_signals(process: Process, signals: tuple[signal.Signals, ...]) -> bool:
    """Send *signals* to that very process; False where it is gone or may not be signalled.

    The pidfd is opened before the second look, so that a pid that was reused in between is never hit.
    """
    try:
        pidfd = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        now = read_process(process.pid)
        if now is None or now.start_ticks != process.start_ticks:
            return False
        for number in signals:
            signal.pidfd_send_signal(pidfd, number)
        return True
    except OSError:
        return False
    finally:
        os.close(pidfd)


def terminate_tree(root: int, *, spare: int = 0) -> None:
    """Ask every descendant of *root* to end, stopped ones included: SIGTERM does nothing until SIGCONT follows.

    *spare* is a pid among them that is woken up and not asked.
    """
    asked: set[tuple[int, int]] = set()
    give_up_at = time.monotonic() + WALK_SECONDS
    while time.monotonic() < give_up_at:
        fresh = [p for p in descendants(root) if (p.pid, p.start_ticks) not in asked]
        if not fresh:
            return
        for process in fresh:
            asked.add((process.pid, process.start_ticks))
            signals = (signal.SIGCONT,) if process.pid == spare else (signal.SIGTERM, signal.SIGCONT)
            send_signals(process, signals)


def kill_children(beside: frozenset[int] = frozenset()) -> None:
    """Send SIGKILL to this process's own children, as fast as can be: some fork and exit all the time.

    As their parent nobody but us can reap them, so their pids are theirs.
    """
    for pid in children_of(os.getpid()):
        if pid not in beside:
            os.kill(pid, signal.SIGKILL)


def kill_tree() -> list[Process]:
    """Send SIGKILL to every descendant of this process once and return those found alive.

    Who finds none has not shown that there is none: whose parent ends while the tree is walked may be passed over.
    """
    kill_children()
    found = descendants(os.getpid())
    for process in found:
        send_signals(process, (signal.SIGKILL,))
    return found


def kill_orphans(supervisors: frozenset[int]) -> list[Process] | None:
    """Send SIGKILL to all that descends from this process and not from its *supervisors*, and return those found alive.

    None says that there is nothing, and then there surely is not. The kernel hands the children of who ends to us and
    makes a zombie of it in one step, and this zombie stays our child until we reap it. So of all that lives some child
    of ours tells, whatever forks and ends meanwhile; reap the dead ones and call again until it returns None.
    """
    ours = os.getpid()
    if supervisors.issuperset(children_of(ours)):
        return None
    # Named before they are killed: what is found later may be dead by then.
    found = descendants(ours, beside=supervisors)
    kill_children(supervisors)
    for process in found:
        send_signals(process, (signal.SIGKILL,))
    return found


def signal_process(pid: int, ticks: int | None, number: signal.Signals) -> bool:
    """Send one signal to the process *pid* that started at *ticks*; False where it is not there any more."""
    process = read_process(pid)
    if process is None or process.start_ticks != ticks:
        return False
    return send_signals(process, (number,))
