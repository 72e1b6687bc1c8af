"""Success rates that fall from one week to the next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from smart_cron.core.alert import AlertType, Severity
from smart_cron.core.rollup import Rollup, TaskCounts
from smart_cron.services.metrics.trends import success_rate_falls

NOW = datetime(2026, 3, 15, 12, 34, tzinfo=UTC)
Week = tuple[int, int]


class TwoWeeks:
    """Tasks by name: (runs, successes) of the week before and of the last one."""

    def __init__(self, **tasks: tuple[Week | None, Week | None]) -> None:
        self._tasks = tasks
        self.spans: list[timedelta] = []

    def series(
        self, *, task_id: int | None = None, since: datetime, until: datetime, percentiles: bool = True
    ) -> list[Rollup]:
        raise NotImplementedError

    def counts_by_task(self, *, since: datetime, until: datetime, watched_only: bool = False) -> Sequence[TaskCounts]:
        assert watched_only
        self.spans.append(until - since)
        is_last = until > NOW
        found = []
        for number, (name, weeks) in enumerate(self._tasks.items()):
            week = weeks[is_last]
            if week is not None:
                found.append(TaskCounts(task_id=number, task_name=name, runs=week[0], successes=week[1]))
        return found


def fallen(*weeks: Week | None) -> bool:
    before, lately = weeks
    return bool(success_rate_falls(TwoWeeks(report=(before, lately)), now=NOW))


@pytest.mark.parametrize(
    ("before", "lately", "tells"),
    [
        ((100, 100), (100, 100), False),
        ((100, 100), (100, 80), True),  # 20 points are enough
        ((100, 100), (100, 81), False),
        ((7, 7), (7, 2), True),  # a daily task
        ((7, 7), (7, 5), False),  # chance
        ((10, 8), (1000, 100), True),
        ((4, 4), (1000, 100), False),  # too few runs before
        ((100, 100), (4, 0), False),  # too few runs lately
        ((20, 16), (20, 12), True),  # 0.8 - 0.6, which a computer takes for less than 0.2
        ((100, 50), (100, 90), False),  # a rise
        (None, (100, 0), False),
        ((100, 100), None, False),
    ],
)
def test_only_a_fall_of_twenty_points_over_enough_runs_is_told(before: Week, lately: Week, tells: bool) -> None:
    assert fallen(before, lately) is tells


def test_the_alarm_names_the_task_and_both_weeks() -> None:
    store = TwoWeeks(well=((50, 50), (50, 50)), ill=((200, 198), (50, 20)))

    (alarm,) = success_rate_falls(store, now=NOW)

    assert (alarm.cause.alert_type, alarm.cause.subtype) == (AlertType.SYSTEM_HEALTH, "success_rate")
    assert (alarm.cause.task_id, alarm.task_name, alarm.severity) == (1, "ill", Severity.WARNING)
    assert "40% of 50 runs in the last 7 days, 99% of 200 in the 7 days before" in alarm.message
    assert store.spans == [timedelta(days=7)] * 2
