"""What a node used at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSample:
    """Shares in percent; None where this machine does not tell. CPU is the mean since the sample before.

    Disk and inodes are of the fullest of our directories. `waiting` is of all nodes, `unrecorded` are results that
    the database does not have yet.
    """

    node: str
    sampled_at: datetime
    cpu_percent: float | None = None
    memory_percent: float | None = None
    memory_used_mb: int | None = None
    swap_percent: float | None = None
    load_1m: float | None = None
    disk_percent: float | None = None
    inode_percent: float | None = None
    disk_free_mb: int | None = None
    running: int | None = None
    waiting: int | None = None
    unrecorded: int | None = None
