"""Do tasks start when they should. The health task is its own canary; beside it stand the figures of all runs."""

from __future__ import annotations

from datetime import datetime, timedelta

from smart_cron.core.health import CheckStatus, Finding, Threshold
from smart_cron.core.ports.health import HealthFacts, Lateness
from smart_cron.services.health.checks.words import span

NAME = "start_lateness"
LOOKED_BACK = timedelta(hours=1)


def look(
    facts: HealthFacts, threshold: Threshold, *, now: datetime, slot: datetime | None, started_at: datetime
) -> Finding:
    """Judge this process, where it is the run of a *slot*, and the runs of the last hour."""
    canary = max(0.0, (started_at - slot).total_seconds()) if slot is not None else None
    return judge(canary, facts.lateness(since=now - LOOKED_BACK), threshold)


def judge(canary: float | None, runs: Lateness, threshold: Threshold) -> Finding:
    """Return what is to be said of a health task that started so many seconds late, and of other runs' mean."""
    measured = max(canary or 0.0, runs.mean)
    status = threshold.judge(measured)
    facts = []
    if canary is not None:
        facts.append(f"this check started {span(canary)} after its slot")
    if runs.runs:
        facts.append(
            f"the {runs.runs} runs of the last hour started {span(runs.mean)} late on average, "
            f"the latest {span(runs.largest)}"
        )
    message = f"{'; '.join(facts)}." if facts else "nothing has started lately by which lateness could be told."
    return Finding(
        check=NAME,
        status=status,
        message=message,
        remedy=""
        if status is CheckStatus.OK
        else "Spread the slots, raise max_concurrent, or add a node: more is due than can be started at once.",
        measured=round(measured, 3),
        threshold=threshold.crossed(measured),
        unit=threshold.unit,
    )
