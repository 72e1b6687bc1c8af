"""What a clean-up did, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What one step did, or would do: how many rows or files, how many bytes of these, the longest lock it held.

    `faults` are sentences on what it had to leave.
    """

    count: int = 0
    freed_bytes: int = 0
    longest_lock: timedelta = timedelta()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One step: its name, the verb for what it did, and what that was."""

    name: str
    verb: str
    done: Done
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All steps, in order."""

    steps: Sequence[StepReport]

    @property
    def is_whole(self) -> bool:
        """Whether every step could do all of its work."""
        return not any(step.done.faults for step in self.steps)

    @property
    def counts(self) -> dict[str, int]:
        """How much each step did, by its name; those that had nothing to do are left out."""
        return {step.name: step.done.count for step in self.steps if step.done.count}
