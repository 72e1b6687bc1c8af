"""Success rates that fall from one week to the next."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import comb

from smart_cron.core.alert import Alarm, AlertType, Cause, Severity
from smart_cron.core.ports.metrics import RollupStore
from smart_cron.core.rollup import HOUR, TaskCounts, hour_of

SUBTYPE = "success_rate"
WEEK = timedelta(days=7)
LEAST_RUNS = 20
LEAST_FALL = 0.20
# A task that runs daily has seven runs in a week. Of so few a fall counts where chance alone would hardly make it.
FEWEST_RUNS = 5
CHANCE = 0.02


def success_rate_falls(rollups: RollupStore, *, now: datetime) -> list[Alarm]:
    """Return an alarm for each task whose success rate of the last seven days is 20 points below the seven before.

    Of tasks that are switched on, with alerts and a tolerance. With fewer than 20 runs in a week, and five at least, it
    must also be no chance. It reads two weeks of hours of every task: once an hour is often enough.
    """
    until = hour_of(now) + HOUR
    earlier = rollups.counts_by_task(since=until - 2 * WEEK, until=until - WEEK, watched_only=True)
    before = {counts.task_id: counts for counts in earlier}
    lately = rollups.counts_by_task(since=until - WEEK, until=until, watched_only=True)
    return [_alarm(before[each.task_id], each) for each in lately if _has_fallen(before.get(each.task_id), each)]


def _has_fallen(before: TaskCounts | None, lately: TaskCounts) -> bool:
    if before is None or min(before.runs, lately.runs) < FEWEST_RUNS:
        return False
    # Rounded, since 0.8 - 0.6 is less than 0.2.
    if round(before.success_rate - lately.success_rate, 9) < LEAST_FALL:
        return False
    return min(before.runs, lately.runs) >= LEAST_RUNS or _chance_of(before, lately) <= CHANCE


def _chance_of(before: TaskCounts, lately: TaskCounts) -> float:
    """Return how likely as few successes lately are, if all runs were alike (Fisher's exact test, one-sided)."""
    successes, runs = before.successes + lately.successes, before.runs + lately.runs
    ways = sum(comb(lately.runs, won) * comb(before.runs, successes - won) for won in range(lately.successes + 1))
    return ways / comb(runs, successes)


def _alarm(before: TaskCounts, lately: TaskCounts) -> Alarm:
    return Alarm(
        cause=Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype=SUBTYPE, task_id=lately.task_id),
        severity=Severity.WARNING,
        message=f"Task {lately.task_name} succeeds less often: {lately.success_rate:.0%} of {lately.runs} runs in the "
        f"last 7 days, {before.success_rate:.0%} of {before.runs} in the 7 days before. Look at its failures: "
        f"smart-cron run list --task {lately.task_name} --status failed",
        task_name=lately.task_name,
    )
