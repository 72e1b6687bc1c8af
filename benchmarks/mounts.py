"""A mount that hangs, as one does whose server is gone: a file system in user space of which nobody answers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEVICE = Path("/dev/fuse")
# In a mount name space of its own: nothing of it is left whatever becomes of us.
HOLDER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
if libc.mount(b"hanging", os.fsencode(sys.argv[1]), b"fuse", 0, options.encode()):
    sys.exit(os.strerror(ctypes.get_errno()))
print("mounted", flush=True)
sys.stdin.read()
"""


def mounts_can_hang() -> bool:
    """Whether this machine lets us make one."""
    return os.geteuid() == 0 and DEVICE.exists()


@contextmanager
def hanging_mount(place: Path) -> Iterator[Path]:
    """Yield the path of a folder on which whoever asks for anything waits until the end of the block."""
    place.mkdir(mode=0o750, exist_ok=True)
    command = ["unshare", "--mount", sys.executable, "-c", HOLDER, os.fspath(place)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"mounted\n", f"{DEVICE} cannot be mounted"
    try:
        yield Path(f"/proc/{holder.pid}/root{place}")
    finally:
        holder.communicate()
