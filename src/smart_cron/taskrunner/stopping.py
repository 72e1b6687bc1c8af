"""Ending everything that runs here, by what the run files say of it and never by a name."""

from __future__ import annotations

import os
import signal

from smart_cron.taskrunner.records import RunFile, list_runs, read
from smart_cron.taskrunner.remains import kill_remains
from smart_cron.taskrunner.tree import signal_process


def running_here(runs_dir: str | os.PathLike[str]) -> list[RunFile]:
    """Return the runs whose supervisors live, in no order."""
    found = (read(runs_dir, run_id) for run_id in list(list_runs(os.fspath(runs_dir))))
    return [file for file in found if file is not None and file.locked and file.started is not None]


def ask_to_end(file: RunFile) -> bool:
    """Have its supervisor end the run's whole tree, in order, and write that down; False where it is gone already."""
    return _signal_supervisor(file, signal.SIGTERM)


def end_by_force(file: RunFile) -> tuple[list[str], list[str]]:
    """Kill a supervisor that does not answer, then what is left of its run; return (killed, unkillable)."""
    _signal_supervisor(file, signal.SIGKILL)
    spawned = file.spawned or {}
    return kill_remains(file.run_id, main_pid=spawned.get("pid"), main_ticks=spawned.get("start_ticks"))


def _signal_supervisor(file: RunFile, number: signal.Signals) -> bool:
    started = file.started or {}
    return signal_process(started["supervisor_pid"], started["supervisor_ticks"], number)
