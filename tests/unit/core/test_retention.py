"""What may go, when, and how much of it at a time."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_cron.config.retention import RetentionConfig
from smart_cron.core.retention import LogFate, OldRows, OldRun, Pace, disposable, log_fate

TODAY = date(2026, 3, 15)
POLICY = RetentionConfig().policy()
LIMIT = timedelta(milliseconds=100)


def test_what_is_older_than_the_floor_of_its_task_may_go() -> None:
    runs = [OldRun(id=number, task_id=task) for number, task in ((1, 7), (2, 8), (3, 7), (4, 9))]

    assert disposable(runs, {7: 3, 8: 2, 9: 100}) == [1, 4]


def test_a_task_with_fewer_runs_than_are_kept_loses_none() -> None:
    assert disposable([OldRun(id=1, task_id=7)], {}) == []


@pytest.mark.parametrize(
    ("name", "fate"),
    [
        ("master-2026-03-08.log", LogFate.STAYS),
        ("master-2026-03-07.log", LogFate.IS_COMPRESSED),
        ("health-2020-01-01.log", LogFate.IS_COMPRESSED),
        ("cleanup-2026-03-07.log.gz", LogFate.STAYS),
        ("master-2025-12-15.log.gz", LogFate.STAYS),
        ("master-2025-12-14.log.gz", LogFate.GOES),
        ("master-2099-01-01.log", LogFate.STAYS),
        ("master-2020-13-45.log", LogFate.STAYS),
        ("master.log", LogFate.STAYS),
        ("master-2020-01-01.log.1", LogFate.STAYS),
        ("xmaster-2020-01-01.log", LogFate.STAYS),
        ("other-2020-01-01.log.gz", LogFate.STAYS),
        ("master-२०२०-01-01.log", LogFate.STAYS),
        ("master-2020-01-01.log\n", LogFate.STAYS),
    ],
)
def test_logs_of_ours_are_compressed_and_later_deleted_and_others_stay(name: str, fate: LogFate) -> None:
    assert log_fate(name, today=TODAY, retention=POLICY) is fate


def test_an_age_of_none_is_for_ever() -> None:
    policy = RetentionConfig(compress_logs_days=0, logs_days=0).policy()

    assert log_fate("master-1999-01-01.log", today=TODAY, retention=policy) is LogFate.STAYS
    assert log_fate("master-1999-01-01.log.gz", today=TODAY, retention=policy) is LogFate.STAYS


def test_a_slow_transaction_is_followed_by_a_small_one_and_a_long_breath() -> None:
    second = timedelta(seconds=1)

    pace = Pace(limit=LIMIT, rows=1000).after(rows=1000, held=second, worked=second)

    assert (pace.rows, pace.pause) == (40, second)


def test_a_disk_that_is_slow_to_sync_is_not_met_with_ever_smaller_ones() -> None:
    pace = Pace(limit=LIMIT, rows=1000)

    pace = pace.after(rows=1000, held=timedelta(seconds=1), worked=timedelta(milliseconds=50))

    assert pace.rows == 120


def test_fast_transactions_grow_by_and_by() -> None:
    pace = Pace(limit=LIMIT, rows=10, least_pause=timedelta(milliseconds=5))

    sizes = []
    for _ in range(9):
        took = timedelta(microseconds=10) * pace.rows
        pace = pace.after(rows=pace.rows, held=took, worked=took)
        sizes.append(pace.rows)

    assert sizes == [20, 40, 80, 160, 320, 640, 1280, 2000, 2000]
    assert pace.pause == timedelta(milliseconds=20)


@given(st.floats(1e-6, 0.05), st.floats(0, 0.03))
def test_whatever_a_row_costs_transactions_settle_below_the_limit(per_row: float, to_sync: float) -> None:
    pace = Pace(limit=LIMIT)
    for _ in range(20):
        worked = per_row * pace.rows
        pace = pace.after(rows=pace.rows, held=timedelta(seconds=to_sync + worked), worked=timedelta(seconds=worked))

    # What four rows cost at least cannot be helped.
    assert to_sync + per_row * pace.rows <= max(LIMIT.total_seconds(), to_sync + 4 * per_row)


def test_the_defaults_are_sensible_and_every_kind_has_one() -> None:
    assert set(POLICY.rows) == set(OldRows)
    assert all(POLICY.rows.values())
    assert (POLICY.executions, POLICY.keep_runs, POLICY.output) == (timedelta(days=90), 100, timedelta(days=30))


def test_output_that_is_kept_for_ever_is_kept_as_long_as_its_row() -> None:
    assert RetentionConfig(output_days=0).policy().output == timedelta(days=90)
    assert RetentionConfig(output_days=0, executions_days=0).policy().output is None
    assert RetentionConfig(output_budget=0).policy().output_budget is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"output_days": 91}, r"output_days \(91\) must not be above executions_days \(90\)"),
        ({"daily_metrics_days": 60}, "hourly_metrics_days"),
        ({"compress_logs_days": 100}, "logs_days"),
        ({"health_checks_days": 3}, "8 or more"),
        ({"hourly_metrics_days": 14}, "15 or more"),
        ({"executions_days": -1}, "greater than or equal to 0"),
        ({"keep_run": 1}, "Extra inputs"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RetentionConfig(**settings)
