"""Ending everything that runs here, by what the run files say of it and never by a name."""

from __future__ import annotations

import os
import signal
import time

from smart_cron.taskrunner.records import RunFile, list_runs, read
from smart_cron.taskrunner.remains import kill_remains
from smart_cron.taskrunner.tree import descendants, read_process, send_signals, signal_process

# A supervisor that slept reads that it was asked to end before the end of its task can be news to it.
WAKE_SECONDS = 1.0
KILL_SECONDS = 5.0
PAUSE_SECONDS = 0.02


def running_here(runs_dir: str | os.PathLike[str]) -> list[RunFile]:
    """Return the runs whose supervisors live, in no order."""
    found = (read(runs_dir, run_id) for run_id in list(list_runs(os.fspath(runs_dir))))
    return [file for file in found if file is not None and file.locked and file.started is not None]


def ask_to_end(file: RunFile) -> bool:
    """Have its supervisor end the run's whole tree, in order, and write that down; False where it is gone already."""
    return _signal_supervisor(file, signal.SIGTERM)


def grace_seconds(file: RunFile) -> float:
    """Return how long its task may take to end once it was asked to."""
    return float((file.started or {}).get("kill_grace_seconds") or 0)


def cut_short(file: RunFile) -> None:
    """Kill all that the run consists of and leave its supervisor, which was asked before, to write down how it ended.

    A supervisor that somebody froze is woken for that.
    """
    started = file.started or {}
    pid, ticks = started["supervisor_pid"], started["supervisor_ticks"]
    supervisor = read_process(pid)
    if supervisor is not None and supervisor.state == "T" and signal_process(pid, ticks, signal.SIGCONT):
        time.sleep(WAKE_SECONDS)
    give_up_at = time.monotonic() + KILL_SECONDS
    while _is(pid, ticks) and (left := descendants(pid)) and time.monotonic() < give_up_at:
        for process in left:
            send_signals(process, (signal.SIGKILL,))
        time.sleep(PAUSE_SECONDS)


def _is(pid: int, ticks: int) -> bool:
    process = read_process(pid)
    return process is not None and process.start_ticks == ticks


def end_by_force(file: RunFile) -> tuple[list[str], list[str]]:
    """Kill a supervisor that does not answer, then what is left of its run; return (killed, unkillable)."""
    _signal_supervisor(file, signal.SIGKILL)
    spawned = file.spawned or {}
    return kill_remains(file.run_id, main_pid=spawned.get("pid"), main_ticks=spawned.get("start_ticks"))


def _signal_supervisor(file: RunFile, number: signal.Signals) -> bool:
    started = file.started or {}
    return signal_process(started["supervisor_pid"], started["supervisor_ticks"], number)
