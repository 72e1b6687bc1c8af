"""Work that may hang."""

from __future__ import annotations

import threading

import pytest

from smart_cron.services.patience import Attempt, within


def test_what_ends_in_time_is_returned_and_what_it_raises_is_raised() -> None:
    assert within(60, lambda: 5, name="test") == 5
    assert within(60, lambda: None, name="test") is None
    with pytest.raises(ZeroDivisionError):
        within(60, lambda: 1 // 0, name="test")


def test_what_hangs_is_given_up_and_can_be_waited_for_once_more() -> None:
    over = threading.Event()
    with pytest.raises(TimeoutError):
        within(0.01, over.wait, name="test")

    attempt = Attempt(over.wait, name="test")
    assert not attempt.wait(0.0)
    over.set()
    assert attempt.wait(float("1e6"))
    assert attempt.result is True
