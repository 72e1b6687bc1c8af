"""How much memory is taken: of the machine, and of the container that we are in where it has a limit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

from smart_cron.core.health import CheckStatus, Finding, Threshold

NAME = "memory"
MEGABYTE = 1 << 20
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What is taken of what there is, in bytes. *whose* says of what."""

    whose: str
    used_bytes: int
    total_bytes: int

    @property
    def percent(self) -> float:
        """Between 0 and 100."""
        return 100 * self.used_bytes / self.total_bytes if self.total_bytes else 0.0


def look(threshold: Threshold, cgroups: Path = CGROUPS) -> Finding:
    """Ask the kernel. What it would give back at once (caches) is not taken."""
    machine = psutil.virtual_memory()
    found = [Taken(whose="the machine", used_bytes=machine.total - machine.available, total_bytes=machine.total)]
    container = container_memory(cgroups)
    if container is not None and container.total_bytes < machine.total:
        found.append(container)
    return judge(max(found, key=lambda taken: taken.percent), threshold)


def judge(taken: Taken, threshold: Threshold) -> Finding:
    """Return what is to be said of so much memory taken."""
    status = threshold.judge(taken.percent)
    used, total = taken.used_bytes // MEGABYTE, taken.total_bytes // MEGABYTE
    return Finding(
        check=NAME,
        status=status,
        message=f"{taken.percent:.0f} % of the memory of {taken.whose} are taken ({used} of {total} MB).",
        remedy=""
        if status is CheckStatus.OK
        else "See what takes it (ps aux --sort=-rss), and give tasks a memory limit: "
        "smart-cron task edit NAME --memory-mb 512",
        measured=round(taken.percent, 1),
        threshold=threshold.crossed(taken.percent),
        unit=threshold.unit,
    )


def container_memory(cgroups: Path) -> Taken | None:
    """Return what the container's own limit leaves, by version 2 or 1 of the kernel's groups; None without a limit."""
    for folder, limit, usage, inactive in (
        (cgroups, "memory.max", "memory.current", "inactive_file"),
        (cgroups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        total, used = _number(folder / limit), _number(folder / usage)
        if total is not None and used is not None:
            return Taken(
                whose="the container",
                used_bytes=max(0, used - _statistic(folder / "memory.stat", inactive)),
                total_bytes=total,
            )
    return None


def _number(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None  # "max" is no limit.


def _statistic(path: Path, name: str) -> int:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name} ")), 0)
