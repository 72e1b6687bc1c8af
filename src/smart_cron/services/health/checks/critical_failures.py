"""Do tasks fail again and again."""

from __future__ import annotations

from collections.abc import Sequence

from smart_cron.core.health import CheckStatus, Finding
from smart_cron.core.ports.health import HealthFacts
from smart_cron.services.health.checks.words import count, none_of, some

NAME = "critical_failures"


def look(facts: HealthFacts) -> Finding:
    """Ask for tasks at or beyond their `failure_threshold`."""
    return judge(facts.failing())


def judge(failing: Sequence[tuple[str, int]]) -> Finding:
    """Return what is to be said of these tasks and their failures in a row."""
    if not failing:
        return none_of("tasks", NAME, "no task has reached its failure threshold.")
    names = [name for name, _ in failing]
    verb = "has" if len(names) == 1 else "have"
    return Finding(
        check=NAME,
        status=CheckStatus.CRITICAL,
        message=f"{count(len(names), 'task')} {verb} failed as often as the failure threshold says, or more: "
        f"{some(names)}.",
        remedy=f"See why: smart-cron task history {names[0]}",
        measured=float(len(names)),
        threshold=1.0,
        unit="tasks",
        details=dict(failing[:20]),
    )
