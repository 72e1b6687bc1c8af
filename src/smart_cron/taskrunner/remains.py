"""What is left of a run when neither its supervisor nor the runner that forked it lives: found by its marks.

Its cgroup, where it has one, holds all of it. Without one nothing but these marks links a stray to its run: the session
that its main process opened, and SMART_CRON_RUN_ID in its environment. A process that shed both cannot be found any
more.
"""

from __future__ import annotations

import os
import signal
import time

from smart_cron.taskrunner.cgroup import group_of_run
from smart_cron.taskrunner.records import read
from smart_cron.taskrunner.tree import Process, all_processes, children_of, read_process, send_signals

PATIENCE_SECONDS = 5.0
PAUSE_SECONDS = 0.01


def find_remains(run_id: str, *, main_pid: int | None, main_ticks: int | None) -> list[Process]:
    """Return living processes that carry the run id, or sit in the session of the run's main process."""
    mark = b"SMART_CRON_RUN_ID=" + run_id.encode()
    session = main_pid if main_pid is not None and _session_is_ours(main_pid, main_ticks) else None
    return [
        process
        for process in all_processes()
        if not process.is_dead
        and process.pid != os.getpid()
        and (_carries(process.pid, mark) or (session is not None and process.session == session))
    ]


def main_process_lives(runs_dir: str, run_id: str, supervisor: int) -> bool:
    """Say whether the run's own process is surely alive, of a supervisor that is frozen and so reaps nobody."""
    try:
        file = read(runs_dir, run_id)
    except OSError:
        return False
    if file is not None and file.spawned is not None:
        process = read_process(file.spawned["pid"])
        return process is not None and not process.is_dead and process.start_ticks == file.spawned["start_ticks"]
    # Frozen before it wrote that down: then it is the eldest of its children, and leads a session.
    children = [child for pid in children_of(supervisor) if (child := read_process(pid)) is not None]
    eldest = min((child.start_ticks for child in children), default=None)
    first = [child for child in children if child.start_ticks == eldest]
    return bool(first) and all(child.pid == child.session and not child.is_dead for child in first)


def _session_is_ours(main_pid: int, main_ticks: int | None) -> bool:
    # While a session has members its number is not given to another process; so a leader that is there tells.
    leader = read_process(main_pid)
    return leader is None or leader.start_ticks == main_ticks


def _carries(pid: int, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark in file.read().split(b"\0")
    except OSError:
        return False


def _living(pids: list[int], *, known: set[int]) -> list[Process]:
    found = (read_process(pid) for pid in pids if pid not in known)
    return [process for process in found if process is not None and not process.is_dead]


def kill_remains(
    run_id: str, *, main_pid: int | None, main_ticks: int | None, cgroup: str | None = None
) -> tuple[list[str], list[str]]:
    """Kill what is left of the run, and return (what was found, what could not be killed) as `pid:name`.

    *cgroup* is the run's directory among the cgroups, as its run file names it.
    """
    group = group_of_run(cgroup, run_id)
    found: dict[tuple[int, int], str] = {}
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        left = find_remains(run_id, main_pid=main_pid, main_ticks=main_ticks)
        if group is not None:
            left += _living(group.processes(), known={process.pid for process in left})
            group.kill()
        for process in left:
            found[process.pid, process.start_ticks] = str(process)
            send_signals(process, (signal.SIGKILL,))
        if group is not None and not left:
            group.remove()
        if not left or time.monotonic() > give_up_at:
            return list(found.values()), [str(process) for process in left]
        time.sleep(PAUSE_SECONDS)
