"""Task runners of other versions, after an upgrade or its undoing: asked to end once their last runs are over."""

from __future__ import annotations

import glob
import os
import signal
import socket
import struct
from pathlib import Path

from smart_cron.taskrunner import protocol

PATIENCE_SECONDS = 1.0
PEER = struct.Struct("3i")  # struct ucred: pid, uid, gid


def retire_other_versions(*, state_dir: Path, run_dir: Path, version: str) -> list[int]:
    """Tell this state directory's task runners of other versions to take no more orders; return their pids.

    Their runs go on, and they end with the last of them. One that cannot be asked ends by itself some time later.
    """
    state, run = os.path.abspath(state_dir), os.path.abspath(run_dir)
    ours = protocol.socket_path(run, state, version)
    # The mark of the state directory: homes may share the folder of their sockets.
    every = protocol.socket_path(glob.escape(run), state, "*")
    pids = [_listener(path) for path in sorted(glob.glob(every)) if path != ours]
    return [pid for pid in pids if pid and _told(pid)]


def _listener(path: str) -> int | None:
    """Return who listens there, as the kernel says; None where nobody does, 0 in a pid namespace not ours."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        line.settimeout(PATIENCE_SECONDS)
        protocol.at_address(path, line.connect)
        pid: int = PEER.unpack(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))[0]
    except OSError:
        return None
    finally:
        line.close()
    return pid


def _told(pid: int) -> bool:
    # It listened a moment ago, and a runner's end takes longer than that.
    try:
        os.kill(pid, signal.SIGTERM)
    except OSError:
        return False
    return True
