"""A master as a process that outlives whoever started it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from typing import IO

from smart_cron.core.errors import SmartCronError
from smart_cron.wiring import House
from smart_cron.wiring.own_commands import own_environment

PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.1


def start_master(house: House) -> int:
    """Start this node's master in a session of its own and return its process id once it works.

    Raise SmartCronError, with its last words, where it ends instead, or where something keeps it from beginning.
    """
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "smart_cron", "master"],
            env=own_environment(house.config),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            start_new_session=True,
        )
        _await_work(house, process, complaints)
    return process.pid


def _await_work(house: House, process: subprocess.Popen[bytes], complaints: IO[bytes]) -> None:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends_at:
        if process.poll() is not None:
            complaints.seek(0)
            said = complaints.read(4096).decode("utf-8", "replace").split("\n")[0].removeprefix("smart-cron: ")
            raise SmartCronError(f"the master ended at once: {said or f'exit code {process.returncode}'}")
        if _takes_part(house, process.pid):
            return
        time.sleep(PAUSE_SECONDS)
    raise SmartCronError(f"the master is there (process {process.pid}) and waits; 'smart-cron logs' says what for.")


def _takes_part(house: House, pid: int) -> bool:
    """Whether it has entered its node: until then it may still end, such as for a name that another one has."""
    ours = [record for record in house.store.nodes.nodes() if record.name == house.config.node_name]
    return any(record.master_pid == pid and record.stopped_at is None for record in ours)
