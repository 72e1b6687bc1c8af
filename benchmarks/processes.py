"""What the kernel knows of processes: CPU time to the nanosecond, memory, descendants."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
# struct ucred: pid, uid, gid.
CREDENTIALS = struct.Struct("3i")


def descendants(pid: int) -> Iterator[int]:
    """Yield the live descendants of *pid*."""
    for child in children(pid):
        yield child
        yield from descendants(child)


def children(pid: int) -> list[int]:
    """Return the live children of all threads of *pid*."""
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (thread / "children").read_text(encoding="ascii").split())
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time of these processes and of all children that they have waited for."""
    return sum(_own_cpu(pid) + _reaped_cpu(pid) for pid in pids)


def tree_cpu_seconds(*roots: int) -> float:
    """Return the CPU time of these processes and everything that ever descended from them."""
    return cpu_seconds(pid for root in roots for pid in (root, *descendants(root)))


def _own_cpu(pid: int) -> float:
    # The clock id of another process's CPU clock, as clock_getcpuclockid(3) makes it: /proc shows ticks of 10 ms only.
    with suppress(OSError):
        return time.clock_gettime((~pid << 3) | 2)
    return 0.0


def _reaped_cpu(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / TICKS
    return 0.0


def pss_bytes(pid: int) -> int:
    """Return the proportional set size: shared pages are divided among those who share them."""
    return _rollup(pid, "Pss:")


def private_bytes(pid: int) -> int:
    """Return what would be free again if this process ended."""
    return _rollup(pid, "Private_Clean:", "Private_Dirty:")


def _rollup(pid: int, *keys: str) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(keys))


def command_of(pid: int) -> str:
    """Return the name of the program that *pid* runs, or empty once it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    return ""


def is_alive(pid: int) -> bool:
    """Whether *pid* is a process and no zombie."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    return False


def listener_of(path: Path) -> int:
    """Return the process that listens on this Unix socket. Raise OSError where none does."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    pid: int = CREDENTIALS.unpack(credentials)[0]
    return pid


def wait_until(holds: Callable[[], bool], *, what: str, seconds: float, pause: float = 0.02) -> None:
    """Ask again until *holds*. Raise TimeoutError, saying for *what* one waited, after so many seconds."""
    ends_at = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > ends_at:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(pause)
