"""Do runs go on that should have ended long ago."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from smart_cron.core.health import CheckStatus, Finding
from smart_cron.core.ports.health import HealthFacts
from smart_cron.services.health.checks.words import count, none_of, some

NAME = "stuck_tasks"
# A master that works settles such a run at its next look; only what it left is told here.
MASTERS_TURN = timedelta(seconds=60)


def look(facts: HealthFacts, *, deadlock_timeout: timedelta) -> Finding:
    """Ask for runs past timeout, grace and the deadlock timeout."""
    return judge(facts.overdue(patience=deadlock_timeout + MASTERS_TURN))


def judge(names: Sequence[str]) -> Finding:
    """Return what is to be said of these tasks' runs."""
    if not names:
        return none_of("runs", NAME, "no run goes on past its time.")
    verb = "is" if len(names) == 1 else "are"
    return Finding(
        check=NAME,
        status=CheckStatus.CRITICAL,
        message=f"{count(len(names), 'run')} {verb} shown as running long past the timeout: {some(names)}.",
        remedy="See that a master works on its node ('smart-cron node list'); it ends such runs and records them.",
        measured=float(len(names)),
        threshold=1.0,
        unit="runs",
    )
