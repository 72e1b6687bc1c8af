"""Do tasks start when they should. The health task is its own canary; beside it stand the figures of all runs.

What was due before this node's master began could not start then, and its first minute is for what was left lying.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from smart_cron.core.health import CheckStatus, Finding, Threshold
from smart_cron.core.ports import NodeStore
from smart_cron.core.ports.health import HealthFacts, Lateness
from smart_cron.services.health.checks.words import span

NAME = "start_lateness"
LOOKED_BACK = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def look(
    facts: HealthFacts,
    nodes: NodeStore,
    threshold: Threshold,
    *,
    node: str,
    now: datetime,
    slot: datetime | None,
    started_at: datetime,
) -> Finding:
    """Judge this process, where it is the run of a *slot*, and the runs of the last hour."""
    began_at = next((record.started_at for record in nodes.nodes() if record.name == node), None)
    since = now - LOOKED_BACK if began_at is None else max(now - LOOKED_BACK, began_at + MINUTE)
    return judge(canary_of(slot, started_at, began_at), facts.lateness(since=since), threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """How many seconds late this process started; judged where the master could have started it in time."""

    seconds: float
    is_judged: bool = True


def canary_of(slot: datetime | None, started_at: datetime, began_at: datetime | None) -> Canary | None:
    """Return how late the run of *slot* started that a master could start from *began_at* on.

    A crontab's pass begins within the minute of its slots: they are late from then on.
    """
    if slot is None:
        return None
    is_of_a_pass = began_at is not None and slot < began_at <= slot + MINUTE
    due_at = began_at if is_of_a_pass and began_at is not None else slot
    is_judged = began_at is None or is_of_a_pass or slot >= began_at + MINUTE
    return Canary(seconds=max(0.0, (started_at - due_at).total_seconds()), is_judged=is_judged)


def judge(canary: Canary | None, runs: Lateness, threshold: Threshold) -> Finding:
    """Return what is to be said of a health task that started so late, and of other runs' mean."""
    measured = max(canary.seconds if canary is not None and canary.is_judged else 0.0, runs.mean)
    status = threshold.judge(measured)
    facts = []
    if canary is not None:
        beginning = "" if canary.is_judged else ", as may be where a master has just begun"
        facts.append(f"this check started {span(canary.seconds)} after its slot{beginning}")
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
