"""A task runner that takes connections and answers nobody: frozen by a signal, or held up in the kernel.

It keeps the lock, so that no other can take its place, and takes orders that it will carry out too late or never. But
it may die at any instant without harm (runs go on under their supervisors, which tell through the run files), so that
is what is done with it; a new one then starts as after any death.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct

PEER = struct.Struct("3i")  # struct ucred: pid, uid, gid
END_SECONDS = 5.0


class SilentRunner:
    """One such process, held by a descriptor: its number alone might be another's by the time it is used."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid, self._pidfd = pid, pidfd

    @classmethod
    def behind(cls, line: socket.socket) -> SilentRunner | None:
        """Return who listens at the other end, or None where that cannot be said, or it has just ended."""
        pid: int = PEER.unpack(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))[0]
        try:
            pidfd = os.pidfd_open(pid)
        except (OSError, ValueError):
            return None  # 0 stands for a process in a pid namespace that we do not see.
        if _is_open(line):
            return cls(pid, pidfd)
        os.close(pidfd)
        return None

    def end(self) -> bool:
        """Kill it and wait for its end; False where it does not end, or is not ours to kill."""
        try:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        waiting = select.poll()
        waiting.register(self._pidfd, select.POLLIN)
        return bool(waiting.poll(END_SECONDS * 1000))

    def close(self) -> None:
        os.close(self._pidfd)


def _is_open(line: socket.socket) -> bool:
    """Whether the process still holds its end: had it died before its descriptor was opened, this would be closed."""
    return not _happens(line, select.POLLHUP)


def can_send(line: socket.socket) -> bool:
    """Say whether something can be sent without waiting. A time limit of Python's waits whatever the flags say."""
    return _happens(line, select.POLLOUT)


def _happens(line: socket.socket, event: int) -> bool:
    looking = select.poll()
    looking.register(line, event)
    return any(found & event for _, found in looking.poll(0))
