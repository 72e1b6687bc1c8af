"""How often the same one may come, over the three databases; a clock of the test's own where time has to pass."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from limits import RateLimitItemPerMinute

from smart_cron.faces.web import limits
from smart_cron.faces.web.limits import Limits, TooManyError
from smart_cron.store.gateway import Store
from smart_cron.store.rate_limits import RateLimitRows


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def rows(store: Store) -> RateLimitRows:
    store.session.execute("DELETE FROM smart_cron_rate_limits")
    return RateLimitRows(store.session)


def limit(rows: RateLimitRows, most: int = 3, clock: Clock | None = None) -> Limits:
    return Limits(rows, {"a": RateLimitItemPerMinute(most), "b": RateLimitItemPerMinute(most)}, clock=clock or Clock())


def grow_older(store: Store, seconds: int) -> None:
    """Let every window end so much earlier."""
    for number, ends_at in store.session.rows("SELECT id, expires_at FROM smart_cron_rate_limits"):
        earlier = store.session.dialect.read_instant(ends_at)
        assert earlier is not None
        moved = store.session.dialect.instant(earlier - timedelta(seconds=seconds))
        store.session.execute("UPDATE smart_cron_rate_limits SET expires_at = %s WHERE id = %s", [moved, number])


def test_so_many_are_allowed_in_a_window_and_none_beyond(rows: RateLimitRows) -> None:
    limits = limit(rows)

    assert [limits.wait_seconds("a", "x") for _ in range(3)] == [0.0] * 3
    assert 0 < limits.wait_seconds("a", "x") <= 60
    with pytest.raises(TooManyError):
        limits.require("a", "x")


def test_others_and_other_kinds_are_counted_apart(rows: RateLimitRows) -> None:
    limits = limit(rows, 1)
    limits.require("a", "x")

    assert limits.wait_seconds("a", "y") == 0.0
    assert limits.wait_seconds("b", "x") == 0.0
    assert limits.wait_seconds("a", "x") > 0


def test_a_restart_forgives_nobody_and_servers_count_together(rows: RateLimitRows) -> None:
    limit(rows, 2).require("a", "x")
    limit(rows, 2).require("a", "x")

    assert limit(rows, 2).wait_seconds("a", "x") > 0


def test_a_new_window_begins_once_the_last_one_is_over(store: Store, rows: RateLimitRows) -> None:
    clock = Clock()
    limits = limit(rows, 1, clock)
    limits.require("a", "x")
    assert limits.wait_seconds("a", "x") > 0

    grow_older(store, 61)
    clock.now += 61

    assert limits.wait_seconds("a", "x") == 0.0
    assert limits.wait_seconds("a", "x") > 0


def test_asking_whether_there_is_one_left_takes_none(rows: RateLimitRows) -> None:
    limits = limit(rows, 1)

    assert [limits.spent_seconds("a", "x") for _ in range(5)] == [0.0] * 5
    limits.require("a", "x")
    assert limits.spent_seconds("a", "x") > 0


def test_whoever_is_refused_costs_the_database_nothing_until_the_window_is_over(
    store: Store, rows: RateLimitRows
) -> None:
    limits = limit(rows, 1)
    for _ in range(50):
        limits.wait_seconds("a", "x")

    assert store.session.row("SELECT hits FROM smart_cron_rate_limits") == (2,)


def test_one_who_is_forgotten_begins_anew(rows: RateLimitRows) -> None:
    limits = limit(rows, 1)
    limits.require("a", "x")
    assert limits.wait_seconds("a", "x") > 0
    limits.forget("a", "x")

    assert limits.standing("a", "x").left == 1
    limits.require("a", "x")


def test_a_flood_of_names_fills_no_memory(rows: RateLimitRows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_REMEMBERED", 10)
    flooded = limit(rows, 1)
    for number in range(20):
        flooded.wait_seconds("a", str(number))
        flooded.wait_seconds("a", str(number))

    assert len(flooded._refused) == 10


def test_names_of_any_length_and_letters_fit(store: Store, rows: RateLimitRows) -> None:
    limits = limit(rows)
    for name in ("", "x" * 5000, "\x00\udcff'; --", "名前"):
        limits.require("a", name)

    assert len(store.session.rows("SELECT limit_key FROM smart_cron_rate_limits")) == 4


def test_two_who_begin_a_window_at_once_are_both_counted(store: Store, rows: RateLimitRows) -> None:
    ready, found = threading.Barrier(8), list[int]()

    def come() -> None:
        ready.wait()
        try:
            found.append(rows.incr("key", 60))
        finally:
            store.database.close()

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == list(range(1, 9))


def test_clearing_keeps_the_couriers_turn(store: Store, rows: RateLimitRows) -> None:
    store.session.execute("INSERT INTO smart_cron_rate_limits (limit_key) VALUES ('turn')")
    rows.incr("key", 60)

    assert rows.check()
    assert rows.reset() == 1
    assert store.session.row("SELECT limit_key FROM smart_cron_rate_limits") == ("turn",)
