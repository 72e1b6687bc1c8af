"""What the health checks ask of the store: a place for what they found, and the figures that only it knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from smart_cron.core.health import CheckStatus, Finding, LatestHealth


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """How late runs started after their slots, over some hours; seconds."""

    runs: int = 0
    mean: float = 0.0
    largest: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Messages that did not go out. `oldest` is how long the oldest pending one has waited.

    `refusal` is what was said of the newest one that was not taken, with its channel before it.
    """

    pending: int = 0
    oldest: timedelta = timedelta()
    failed: int = 0
    refusal: str = ""


class HealthStore(Protocol):
    """The rows of `smart_cron_health_checks`. Times are the database's own clock."""

    def note(self, findings: Sequence[Finding]) -> None:
        """Write a row for each."""

    def latest(self, *, within: timedelta) -> LatestHealth:
        """Return the latest finding of each check and node that is not older than this."""

    def last_seen(self, *, within: timedelta) -> Mapping[tuple[str, str | None, CheckStatus], datetime]:
        """Return when each (check, node) last had each status, as far as it was found within this span."""

    def checked_since(self, at: datetime, *, node: str | None = None) -> bool:
        """Whether somebody has looked (at this node) at or after this instant."""

    def last_details(self, check: str, *, node: str) -> Mapping[str, object]:
        """Return the details of this node's latest finding of a check, empty where there is none."""


class HealthFacts(Protocol):
    """What only the database knows. Times are its own clock."""

    def overdue(self, *, patience: timedelta) -> Sequence[str]:
        """Return the names of tasks with runs that should have ended this long ago: past timeout and grace."""

    def failing(self) -> Sequence[tuple[str, int]]:
        """Return (name, failures in a row) of enabled tasks at or beyond their `failure_threshold`, most first."""

    def invalid(self) -> Sequence[tuple[str, str]]:
        """Return (name, reason) of enabled tasks that cannot be planned."""

    def lateness(self, *, since: datetime) -> Lateness:
        """Return how late runs of the hours from this one on started."""

    def undelivered(self, *, waiting_for: timedelta, failed_within: timedelta) -> Backlog:
        """Return what has waited for longer than this, and what failed for good lately."""

    def enabled_tasks(self) -> int:
        """Return how many tasks are switched on."""
