"""Tasks that do nothing, run by the task runner itself before it forks its first supervisor.

At its first runs Python writes down what makes later ones quick: adapted bytecode, filled caches. Written before the
fork, this lies on pages that all supervisors share, which spares each of them some 0.4 MB.
"""

from __future__ import annotations

import os
import socket

from smart_cron.taskrunner import protocol
from smart_cron.taskrunner.kernel import boottime
from smart_cron.taskrunner.supervisor import Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from smart_cron.taskrunner.protocol import Order

# Python adapts code that has run eight times.
ROUNDS = 12
PATIENCE_SECONDS = 5


def rehearse(directory: str, incarnation: str) -> int:
    """Go through some runs in a folder made and removed in *directory*, which needs no disk behind it; say how many.

    Call it before there are children, which would be taken for the runs' leftovers, and before signals are handled. A
    fault leaves pages unshared and no more, so the first one ends it quietly.
    """
    folder = f"{directory}/rehearsal-{os.getpid()}"
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        os.mkdir(folder, 0o700)
        gone_through = _go_through(ours, Supervisor(theirs, runs_dir=folder, incarnation=incarnation), folder)
        _remove(folder)
        return gone_through
    except OSError:
        return 0
    finally:
        ours.close()
        theirs.close()


def _go_through(ours: socket.socket, supervisor: Supervisor, folder: str) -> int:
    spare = b""
    try:
        supervisor.introduce()
        for number in range(ROUNDS):
            order = _order(f"rehearsal-{number}", folder, supervisor.incarnation)
            # A spent file is used again: it is the common case, and leaves one to remove.
            ours.send(protocol.ORDER + spare + b"\n" + protocol.packed(order))
            supervisor.serve_one()
            if _last_word(ours) != protocol.FINISHED:
                return number
            spare = order["run_id"].encode()
        return ROUNDS
    finally:
        supervisor.close()


def _last_word(ours: socket.socket) -> bytes:
    """Return what kind of message was the last: on a slow machine one tells of the start before."""
    while (kind := ours.recv(protocol.PACKET_BYTES)[:1]) == protocol.STARTED:
        pass
    return kind


def _order(run_id: str, folder: str, incarnation: str) -> Order:
    return {
        "run_id": run_id,
        "execution_id": 0,
        "task_id": 0,
        "task": "rehearsal",
        "attempt": 1,
        "triggered_by": "cron",
        "scheduled_for": None,
        "incarnation": incarnation,
        "launch_deadline": boottime() + PATIENCE_SECONDS,
        "script": "/bin/sh",
        "shell_command": None,
        "arguments": ["-c", ":"],
        "stdin": None,
        "environment": {},
        "working_directory": folder,
        "umask": None,
        "run_as": None,
        "timeout_seconds": PATIENCE_SECONDS,
        "kill_grace_seconds": 1,
        "nice": 0,
        "limits": {"output_bytes": 4096},
        "merge_output": False,
        "keep_processes": False,
        "sandbox": "standard",
        "script_directories": None,
        "output_path": f"{folder}/output",
    }


def _remove(folder: str) -> None:
    for name in os.listdir(folder):
        os.unlink(f"{folder}/{name}")
    os.rmdir(folder)
