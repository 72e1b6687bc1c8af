"""What one call of the benchmarks was asked for."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`runs` is tasks due at once in a throughput repeat, `rows` executions of a long history.

    `quick` makes everything as small as it can be.
    """

    repeats: int = 5
    runs: int = 2_000
    rows: int = 1_000_000
    databases: tuple[str, ...] = ("sqlite", "mariadb", "postgresql")
    quick: bool = False
    folder: Path | None = None

    def say(self, progress: str) -> None:
        """Tell a person who waits; a pipe that takes the table hears nothing."""
        if sys.stderr.isatty():
            print(progress, file=sys.stderr)
