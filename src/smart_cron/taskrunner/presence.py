"""Whether another task runner, or a supervisor of one, may still hold an order of which this runner knows nothing.

Every runner and all its supervisors share a lock on one file, by a descriptor that forks inherit. Who can have the lock
alone for a moment is alone; who cannot, knows only that orders given to others before its start are void once their
launch window has passed.
"""

from __future__ import annotations

import fcntl
import os

# Supervisors close everything but this and their line to the runner.
PRESENCE_FD = 3


def declare(path: str) -> bool:
    """Take part in the lock for the life of this process and its forks; say whether nobody else does."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    alone = True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        alone = False
    fcntl.flock(fd, fcntl.LOCK_SH)
    if fd != PRESENCE_FD:
        os.dup2(fd, PRESENCE_FD, inheritable=False)
        os.close(fd)
    return alone
