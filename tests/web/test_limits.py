"""Buckets that fill again, by a clock of the test's own."""

from __future__ import annotations

import pytest

from smart_cron.faces.web import limits
from smart_cron.faces.web.limits import RateLimit, neighbourhood


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_so_many_are_allowed_at_once_and_then_one_as_time_goes_by() -> None:
    clock = Clock()
    limit = RateLimit(60, clock=clock)

    assert [limit.wait_seconds("a") for _ in range(60)] == [0.0] * 60
    assert limit.wait_seconds("a") == pytest.approx(1.0)
    clock.now += 1.0
    assert limit.wait_seconds("a") == 0.0
    assert limit.wait_seconds("a") > 0


def test_one_that_is_refused_uses_up_nothing_of_others_or_of_its_own_future() -> None:
    clock = Clock()
    limit = RateLimit(1, clock=clock)
    limit.wait_seconds("a")
    for _ in range(100):
        assert limit.wait_seconds("a") == pytest.approx(60.0)

    assert limit.wait_seconds("b") == 0.0
    clock.now += 60.0
    assert limit.wait_seconds("a") == 0.0


def test_a_flood_of_names_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_REMEMBERED", 100)
    limit = RateLimit(1, clock=Clock())

    for number in range(1000):
        limit.wait_seconds(str(number))

    assert len(limit._buckets) == 100


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("", ""),
        ("x" * 200, "x" * 64),
    ],
)
def test_one_client_is_one_name_whichever_of_its_addresses_it_uses(address: str, who: str) -> None:
    assert neighbourhood(address) == who
