"""What is left of a run when neither its supervisor nor the runner that forked it lives: found by its marks.

Its cgroup, where it has one, holds all of it. Without one nothing but these marks links a stray to its run: the session
that its main process or another of its processes opened, SMART_CRON_RUN_ID in its environment, and a living parent that
is one of the run's. A process that shed all of them cannot be found any more.

The main process before its exec looks like the supervisor. It holds the run file then, as its parent did, so nobody
settles the run and nobody looks here. Of a process in the middle of an exec nothing can be told, since its environment
is not set up yet: then there is another look.
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
# An exec takes less than a millisecond, unless the machine has other things to do.
EXEC_SECONDS = 1.0
# Who forks between the reading of the list and the look at what is in it may be missed by one.
CLEAN_LOOKS = 2
# Places in /proc/PID/stat, counted behind the name: how much memory it has mapped, and where its environment ends.
VIRTUAL_BYTES, ENVIRONMENT_END = 20, 48


class Remains:
    """The marks of one run, more of them with each look."""

    def __init__(self, run_id: str, *, main_pid: int | None = None, main_ticks: int | None = None) -> None:
        self._mark = b"SMART_CRON_RUN_ID=" + run_id.encode()
        # By number, with the start of who opened it. While one has members its number is given to nobody else.
        self._sessions: dict[int, int | None] = {} if main_pid is None else {main_pid: main_ticks}
        # Whether the last look met a process of which nothing can be said yet.
        self.is_unsure = False

    def look(self) -> list[Process]:
        """Return the living processes that are the run's."""
        everybody = all_processes()
        others = [process for process in everybody if not process.is_dead and process.pid != os.getpid()]
        self.is_unsure = False
        found = {process.pid for process in others if self._is_marked(process)}
        sessions = self._living_sessions(everybody)
        found.update(process.pid for process in others if process.session in sessions)
        while children := {process.pid for process in others if process.ppid in found} - found:
            found |= children
        return [process for process in others if process.pid in found]

    def _is_marked(self, process: Process) -> bool:
        words = _environment(process.pid)
        if words is None:
            return False
        if self._mark in words:
            if process.session == process.pid:
                self._sessions[process.pid] = process.start_ticks
            return True
        self.is_unsure = self.is_unsure or (words == [b""] and _is_amid_exec(process.pid))
        return False

    def _living_sessions(self, everybody: list[Process]) -> set[int]:
        started = {process.pid: process.start_ticks for process in everybody}
        return {number for number, ticks in self._sessions.items() if started.get(number, ticks) == ticks}


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


def _environment(pid: int) -> list[bytes] | None:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return None


def _is_amid_exec(pid: int) -> bool:
    """Whether it has got its new memory, and no environment in it yet. An empty one has an end as well."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return False
    return fields[VIRTUAL_BYTES] != b"0" and fields[ENVIRONMENT_END] == b"0"


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
    remains = Remains(run_id, main_pid=main_pid, main_ticks=main_ticks)
    found: dict[tuple[int, int], str] = {}
    began = time.monotonic()
    clean_looks = 0
    while True:
        left = remains.look()
        if group is not None:
            left += _living(group.processes(), known={process.pid for process in left})
            group.kill()
        for process in left:
            found[process.pid, process.start_ticks] = str(process)
            send_signals(process, (signal.SIGKILL,))
        waited = time.monotonic() - began
        must_wait = bool(left) or (remains.is_unsure and waited < EXEC_SECONDS)
        clean_looks = 0 if must_wait else clean_looks + 1
        if clean_looks == CLEAN_LOOKS or waited > PATIENCE_SECONDS:
            break
        if must_wait:
            time.sleep(PAUSE_SECONDS)
    if group is not None and not left:
        group.remove()
    return list(found.values()), [str(process) for process in left]
