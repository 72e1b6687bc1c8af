"""When a failed run is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from smart_cron.core.retry import RetryPolicy

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def delays(policy: RetryPolicy, attempts: int, jitter: float = 0.0) -> list[float | None]:
    found = [policy.next_attempt_at(attempt=n, failed_at=NOON, jitter=jitter) for n in range(1, attempts + 1)]
    return [None if at is None else (at - NOON).total_seconds() for at in found]


def test_the_delay_doubles_until_retries_are_spent() -> None:
    policy = RetryPolicy(max_retries=3, base_delay=timedelta(seconds=60))

    assert delays(policy, 4) == [60, 120, 240, None]


def test_no_retries_means_none() -> None:
    assert delays(RetryPolicy(max_retries=0, base_delay=timedelta(seconds=60)), 1) == [None]


def test_the_delay_grows_to_an_hour_and_no_further() -> None:
    policy = RetryPolicy(max_retries=127, base_delay=timedelta(seconds=1000))

    assert delays(policy, 4) == [1000, 2000, 3600, 3600]
    assert delays(policy, 127)[-1] == 3600


def test_a_base_beyond_an_hour_is_its_own_cap() -> None:
    policy = RetryPolicy(max_retries=5, base_delay=timedelta(hours=5))

    assert delays(policy, 3) == [18_000, 18_000, 18_000]


def test_the_largest_base_of_an_integer_column_does_not_overflow() -> None:
    policy = RetryPolicy(max_retries=127, base_delay=timedelta(seconds=2**31 - 1))

    assert delays(policy, 127)[-1] == 2**31 - 1


@pytest.mark.parametrize(("jitter", "expected"), [(0.1, 66), (-0.1, 54), (5.0, 66), (-5.0, 54)])
def test_jitter_spreads_by_a_tenth_at_most(jitter: float, expected: float) -> None:
    policy = RetryPolicy(max_retries=1, base_delay=timedelta(seconds=60))

    assert delays(policy, 1, jitter) == [pytest.approx(expected)]


def test_without_a_delay_it_is_tried_again_at_once() -> None:
    assert delays(RetryPolicy(max_retries=1, base_delay=timedelta(0)), 1, 0.1) == [0]
