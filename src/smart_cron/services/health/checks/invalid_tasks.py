"""Are there tasks that are switched on and can never start as they are written."""

from __future__ import annotations

from collections.abc import Sequence

from smart_cron.core.health import CheckStatus, Finding
from smart_cron.core.ports.health import HealthFacts
from smart_cron.services.health.checks.words import count, none_of, some

NAME = "invalid_tasks"


def look(facts: HealthFacts) -> Finding:
    """Ask for tasks that planning could not read."""
    return judge(facts.invalid())


def judge(invalid: Sequence[tuple[str, str]]) -> Finding:
    """Return what is to be said of these tasks; with each stands why it cannot be planned."""
    if not invalid:
        return none_of("tasks", NAME, "every task can be planned.")
    name, reason = invalid[0]
    return Finding(
        check=NAME,
        status=CheckStatus.WARNING,
        message=f"{count(len(invalid), 'task')} cannot be planned: {some([each for each, _ in invalid])}. "
        f"Of '{name}': {reason.rstrip('.')}.",
        remedy=f"Mend it: smart-cron task edit {name}",
        measured=float(len(invalid)),
        threshold=1.0,
        unit="tasks",
        details=dict(invalid[:20]),
    )
