"""What a run used over time, as its supervisor noted it beside the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from smart_cron.taskrunner.output import segment_path
from smart_cron.taskrunner.usage import STREAM

# What one of ours can ever hold is a tenth of that.
MOST_BYTES = 65_536
MOST_LOOKS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One look: seconds since the start, resident bytes and number of all processes, CPU seconds up to then.

    `cpu_percent` is of one core, since the look before or since the start.
    """

    seconds: float
    memory_bytes: int
    processes: int
    cpu_seconds: float
    cpu_percent: float


def usage_of(output: Path) -> Sequence[Usage]:
    """Return the looks at the run whose output lies there, the earliest first; what cannot be read is left out."""
    try:
        with open(segment_path(str(output), STREAM, 1), "rb") as file:
            lines = file.read(MOST_BYTES).split(b"\n")[:-1]
    except OSError:
        return []
    looks = [(0.0, 0, 0.0, 0), *(look for look in map(_look, lines[:MOST_LOOKS]) if look is not None)]
    return [
        Usage(
            seconds=seconds,
            memory_bytes=memory,
            processes=processes,
            cpu_seconds=cpu,
            # What a process that ended took is told by its parent alone, and may be missing for a while.
            cpu_percent=round(max(0.0, 100 * (cpu - before[2]) / (seconds - before[0])), 1),
        )
        for before, (seconds, memory, cpu, processes) in pairwise(looks)
        if seconds > before[0]
    ]


def _look(line: bytes) -> tuple[float, int, float, int] | None:
    try:
        seconds, memory, cpu, processes = line.split()
        return float(seconds), int(memory), float(cpu), int(processes)
    except ValueError:
        return None
