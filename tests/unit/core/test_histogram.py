"""Histograms that add up, and sums of periods."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smart_cron.core.histogram import (
    FIRST,
    LAST,
    bucket_of,
    counted,
    from_text,
    merged,
    quantile,
    quantile_within,
    to_text,
)
from smart_cron.core.rollup import Rollup, by_day, day_of, hour_of, merge

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DURATIONS = st.lists(st.floats(0.001, 1_000_000), min_size=1, max_size=200)
HISTOGRAMS = st.dictionaries(st.integers(FIRST, LAST), st.integers(1, 10_000), max_size=50)


@given(DURATIONS, st.sampled_from((0.5, 0.95, 0.99)))
def test_a_quantile_is_within_five_percent_of_the_true_one(durations: list[float], share: float) -> None:
    true = sorted(durations)[max(math.ceil(share * len(durations)), 1) - 1]

    assert quantile(counted(durations), share) == pytest.approx(true, rel=0.05)


@given(DURATIONS, DURATIONS)
def test_merged_histograms_are_the_histogram_of_all(first: list[float], second: list[float]) -> None:
    assert merged([counted(first), counted(second)]) == counted(first + second)


@given(HISTOGRAMS)
def test_text_is_read_back_as_it_was(histogram: dict[int, int]) -> None:
    assert from_text(to_text(histogram)) == histogram


@given(HISTOGRAMS)
def test_a_histogram_fits_into_the_smallest_text_column(histogram: dict[int, int]) -> None:
    assert len(to_text(histogram)) < 65_535


def test_the_fullest_histogram_fits_into_the_smallest_text_column() -> None:
    assert len(to_text(dict.fromkeys(range(FIRST, LAST + 1), 10**12))) < 65_535


@pytest.mark.parametrize("text", ["", None, "nonsense", "1:2:3", "1", "1:x", ":", "1:0", "1:-5"])
def test_what_is_no_histogram_counts_as_empty(text: str | None) -> None:
    assert from_text(text) == {}


@given(st.text(alphabet="0123456789-: x\n", max_size=500))
@example("99999:1")
@example("-99999:1")
@example("0:1" + "0" * 400)
@example("0:" + "9" * 5_000)
def test_whatever_somebody_wrote_has_a_quantile_or_none(text: str) -> None:
    histogram = from_text(text)

    assert set(histogram) <= set(range(FIRST, LAST + 1))
    found = quantile_within(histogram, 0.95, least=None, most=None)
    assert found is None or math.isfinite(found)
    assert from_text(to_text(histogram)) == histogram


def test_what_is_right_beside_nonsense_counts() -> None:
    assert from_text("1:2 x 3:4") == {1: 2, 3: 4}


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1e-9, 1e300])
def test_every_duration_has_a_bucket(seconds: float) -> None:
    assert FIRST <= bucket_of(seconds) <= LAST


def test_a_bucket_includes_its_upper_edge() -> None:
    assert bucket_of(1.0) == 0
    assert bucket_of(1.1) == 1
    assert bucket_of(1.1001) == 2


def test_nothing_has_no_quantile() -> None:
    assert quantile({}, 0.5) is None
    assert quantile_within({}, 0.5, least=1.0, most=2.0) is None


def test_a_quantile_stays_within_what_was_met() -> None:
    assert quantile_within({0: 3}, 0.5, least=0.99, most=1.0) == 0.99
    assert quantile_within({0: 3}, 0.5, least=None, most=None) == quantile({0: 3}, 0.5)


# sums of periods -------------------------------------------------------------------------------------------


def rollup(at: datetime, *durations: float, failures: int = 0) -> Rollup:
    return Rollup(
        bucket_at=at,
        runs=len(durations) + failures,
        successes=len(durations),
        failures=failures,
        timed_runs=len(durations),
        duration_sum=sum(durations),
        duration_min=min(durations, default=None),
        duration_max=max(durations, default=None),
        histogram=counted(durations),
    )


def test_the_sum_of_hours_is_the_sum_of_all_their_runs() -> None:
    whole = merge([rollup(NOON, 1.0, 2.0), rollup(NOON, failures=1), rollup(NOON, 8.0)], bucket_at=NOON)

    assert whole == rollup(NOON, 1.0, 2.0, 8.0, failures=1)
    assert whole.success_rate == 0.75


def test_the_sum_of_nothing_is_nothing() -> None:
    nothing = merge([], bucket_at=NOON)

    assert nothing == Rollup(bucket_at=NOON)
    assert (nothing.success_rate, nothing.duration_p50) == (None, None)


def test_hours_become_days_in_utc() -> None:
    late = NOON + timedelta(hours=11)
    days = by_day([rollup(late + timedelta(hours=1), 4.0), rollup(NOON, 1.0), rollup(late, 2.0)])

    assert [(day.bucket_at, day.runs) for day in days] == [(day_of(NOON), 2), (day_of(NOON) + timedelta(days=1), 1)]


def test_an_hour_is_that_of_utc() -> None:
    at = datetime(2026, 3, 1, 12, 59, 59, 999_999, tzinfo=UTC)

    assert hour_of(at) == NOON
    assert hour_of(at.astimezone()) == NOON
