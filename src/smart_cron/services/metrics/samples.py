"""What this node uses, once a minute."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from smart_cron.core.ports import Clock
from smart_cron.core.ports.metrics import SampleStore
from smart_cron.core.sample import NodeSample
from smart_cron.services.health.checks.disk_space import Fill, fill_of
from smart_cron.services.patience import Attempt

MEGABYTE = 1024 * 1024
# A mount that hangs lets a call of the kernel hang with it: the other figures are told without it.
PATIENCE_SECONDS = 2.0
# A mean over less says nothing: the first sample of a master has none.
LEAST_CPU_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Fullness:
    """The fullest of some directories, in percent, and what is free there; None where it does not tell."""

    disk_percent: float | None = None
    inode_percent: float | None = None
    free_mb: int | None = None


class Sampler:
    """Measures and keeps samples of one node. CPU is the mean since the call before."""

    def __init__(
        self,
        *,
        store: SampleStore,
        clock: Clock,
        node: str,
        directories: Sequence[Path],
        unrecorded: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._store, self._clock, self._node = store, clock, node
        self._directories, self._unrecorded = directories, unrecorded
        self._asked: Attempt[Fullness] | None = None
        psutil.cpu_percent(None)  # From here on counts the first mean.
        self._since = clock.boottime()

    def sample(self) -> NodeSample:
        """Measure and keep a sample."""
        running, waiting = self._store.counts(node=self._node)
        memory, swap, full = psutil.virtual_memory(), psutil.swap_memory(), self._fullness()
        sample = NodeSample(
            node=self._node,
            sampled_at=self._clock.now(),
            cpu_percent=self._cpu_percent(),
            memory_percent=memory.percent,
            memory_used_mb=(memory.total - memory.available) // MEGABYTE,
            swap_percent=swap.percent,
            load_1m=round(os.getloadavg()[0], 2),
            disk_percent=full.disk_percent,
            inode_percent=full.inode_percent,
            disk_free_mb=full.free_mb,
            running=running,
            waiting=waiting,
            unrecorded=self._unrecorded(),
        )
        self._store.add(sample)
        return sample

    def _cpu_percent(self) -> float | None:
        now = self._clock.boottime()
        if now - self._since < LEAST_CPU_SECONDS:
            return None
        self._since = now
        return psutil.cpu_percent(None)

    def _fullness(self) -> Fullness:
        """Ask in a thread of its own, and not again while one still hangs."""
        if self._asked is not None and not self._asked.is_over:
            return Fullness()
        self._asked = Attempt(lambda: fullest(self._directories), name="fullness")
        self._asked.wait(time.monotonic() + PATIENCE_SECONDS)
        return self._asked.result or Fullness()


def fullest(directories: Sequence[Path]) -> Fullness:
    """Return how full the fullest of these is, passing over those that are missing."""
    fills = [fill for fill in map(_fill_of, directories) if fill is not None]
    if not fills:
        return Fullness()
    disk = max(fills, key=lambda fill: fill.bytes_percent)
    inodes = [round(fill.files_percent, 2) for fill in fills if fill.files_percent is not None]
    return Fullness(round(disk.bytes_percent, 2), max(inodes, default=None), disk.free_bytes // MEGABYTE)


def _fill_of(directory: Path) -> Fill | None:
    try:
        return fill_of(directory)
    except OSError:
        return None
