"""What is remembered for some seconds."""

from __future__ import annotations

from smart_cron.faces.web.memo import MOST, Memo


def test_a_value_is_made_once_until_its_time_is_over() -> None:
    now, made = [0.0], []
    memo = Memo(clock=lambda: now[0])

    def make() -> int:
        made.append(1)
        return len(made)

    assert [memo.get("key", make, seconds=10), memo.get("key", make, seconds=10)] == [1, 1]
    assert memo.has("key")
    now[0] = 10.0
    assert not memo.has("key")
    assert memo.get("key", make, seconds=10) == 2


def test_what_was_put_in_longest_ago_is_forgotten_first() -> None:
    memo = Memo(clock=lambda: 0.0)

    for number in range(MOST + 1):
        memo.put(number, number, seconds=10)

    assert not memo.has(0)
    assert memo.has(MOST)
