"""The raw loop, and what a way of starting programs cost against its neighbours in time."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

IN_FLIGHT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """So many runs, by the clock and in CPU time; that of a database server or a client is stated apart."""

    runs: int
    wall_seconds: float
    cpu_seconds: float
    apart_cpu_seconds: float | None = None

    @property
    def rate(self) -> float:
        """Runs a second."""
        return self.runs / self.wall_seconds

    @property
    def cpu_per_run(self) -> float:
        """CPU milliseconds a run, which is CPU seconds for a thousand."""
        return self.cpu_seconds / self.runs * 1000

    @property
    def apart_cpu_per_run(self) -> float | None:
        return None if self.apart_cpu_seconds is None else self.apart_cpu_seconds / self.runs * 1000


def run_raw(raw: Path | None, program: Path, *, runs: int) -> Sample | None:
    """Run the raw loop over *program*; None where it could not be compiled."""
    if raw is None:
        return None
    command = [str(raw), str(IN_FLIGHT), str(runs), str(program)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Sample(**json.loads(printed))


def mean(samples: Sequence[Sample | None]) -> Sample | None:
    """Return several samples as one; None where there is none."""
    known = [sample for sample in samples if sample is not None]
    if not known:
        return None
    return Sample(
        runs=sum(sample.runs for sample in known),
        wall_seconds=sum(sample.wall_seconds for sample in known),
        cpu_seconds=sum(sample.cpu_seconds for sample in known),
    )
