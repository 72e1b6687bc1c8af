"""The few things that Linux offers and Python's standard library does not, and who a process is."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import ctypes
import errno
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_CHILD_SUBREAPER = 36
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
AT_FDCWD = -100
RENAME_NOREPLACE = 1

_libc = ctypes.CDLL(None, use_errno=True)
_prctl = _libc.prctl
_renameat2 = getattr(_libc, "renameat2", None)
if _renameat2 is not None:
    _renameat2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)


def become_subreaper() -> None:
    """Have orphans among this process's descendants become its own children, instead of init's."""
    if _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot become a subreaper")


def set_handler(number: int, handler: Callable[[int, object], None] | None) -> None:
    """Have a signal handled, or left to its default.

    As `signal.signal`, without its enumerations: looking up names cost each supervisor 150 KB of memory once shared.
    """
    _signal.signal(number, _signal.SIG_DFL if handler is None else handler)


def drop_ambient_capabilities() -> None:
    """Have no capability that is handed on to programs of other users."""
    if _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot drop ambient capabilities")


def rename_exclusively(old: str, new: str) -> None:
    """Rename *old* to *new*; raise FileExistsError where *new* is there already, in one atomic step."""
    if _renameat2 is None:
        _link_exclusively(old, new)
        return
    if _renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), RENAME_NOREPLACE) == 0:
        return
    code = ctypes.get_errno()
    # EINVAL: this file system does not know the flag.
    if code in (errno.EINVAL, errno.ENOSYS):
        _link_exclusively(old, new)
        return
    raise OSError(code, os.strerror(code), new)


def _link_exclusively(old: str, new: str) -> None:
    os.link(old, new, follow_symlinks=False)
    os.unlink(old)


def boottime() -> float:
    """Return seconds on the clock that never steps and counts sleep."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def epoch_microseconds() -> int:
    """Return the wall clock as the run files write it."""
    return time.time_ns() // 1000


def boot_id() -> str:
    """Return the random id that the kernel gave itself when it started."""
    # In bytes: a text file would import its codec, which in a supervisor costs 700 KB of memory once shared.
    with open("/proc/sys/kernel/random/boot_id", "rb") as file:
        return file.read().decode().strip()


def start_ticks(pid: int) -> int | None:
    """Return when process *pid* started, in clock ticks since boot, or None where there is none.

    Together with the boot id this tells a process from a later one with the same number.
    """
    try:
        # Without a file object, which would ask for a dozen things more: this is done for each run.
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # The name in brackets may hold anything, blanks and brackets included: count from the last one.
        return int(os.read(fd, 1024).rpartition(b")")[2].split()[19])
    except (OSError, IndexError):
        return None
    finally:
        os.close(fd)
