"""This machine, looked at without touching it: who holds the node, which programs run, which machine it is."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path


def master_holds(state_dir: Path) -> bool:
    """Say whether a master holds this state directory's lock, by sharing it for a moment; no file is made."""
    try:
        descriptor = os.open(state_dir / "master.lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False  # No master ever worked here, or it is not for us to see: then the database tells.
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def running_programs() -> frozenset[str]:
    """Return the names of this machine's processes, as the kernel keeps them: cut at 15 bytes."""
    return frozenset(filter(None, map(_comm, Path("/proc").glob("[0-9]*"))))


def _comm(process: Path) -> str:
    try:
        return (process / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def machine_facts() -> Iterator[tuple[str, str]]:
    """Yield what a stranger has to know of this machine: no address, no account."""
    yield "system", _release()
    yield "kernel", f"{platform.system()} {platform.release()} {platform.machine()}"
    yield "C library", " ".join(platform.libc_ver())
    yield "processors", str(os.cpu_count())
    yield "memory", _first_of("/proc/meminfo", "MemTotal:")
    yield "load", " ".join(f"{load:.2f}" for load in os.getloadavg())
    yield "up for", f"{float(Path('/proc/uptime').read_text().split()[0]):.0f} s"
    yield "time zone", os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2] or "UTC"
    yield "container", "yes" if Path("/.dockerenv").exists() else "not that one could tell"
    yield "systemd", "first process" if Path("/run/systemd/system").is_dir() else "no"
    yield "bubblewrap", shutil.which("bwrap") or "not installed"


def _release() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return "unknown"


def _first_of(path: str, key: str) -> str:
    lines = Path(path).read_text().splitlines()
    return next((line.removeprefix(key).strip() for line in lines if line.startswith(key)), "unknown")
