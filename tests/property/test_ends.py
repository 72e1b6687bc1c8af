"""Retries and copies of output keep their bounds for whatever they are handed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.cron_model import PATTERNS, DrawnPattern

from smart_cron.core.cron_fields import MAX_PATTERN_LENGTH
from smart_cron.core.errors import InvalidScheduleError
from smart_cron.core.output_copy import copy_text, cut_message
from smart_cron.core.retry import MAX_DELAY, RetryPolicy
from smart_cron.core.schedule import Schedule
from smart_cron.core.words import describe

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
JITTERS = st.floats(-0.1, 0.1)
MARK = re.compile(r"\n\[\.\.\. (\d+) bytes left out \.\.\.\]\n")


@given(st.integers(1, 127), st.integers(1, 86_400), JITTERS)
def test_the_next_attempt_is_later_but_never_beyond_the_cap(attempt: int, seconds: int, jitter: float) -> None:
    base = timedelta(seconds=seconds)
    policy = RetryPolicy(max_retries=127, base_delay=base)
    at = policy.next_attempt_at(attempt=attempt, failed_at=NOON, jitter=jitter)

    assert at is not None
    assert NOON < at <= NOON + max(MAX_DELAY, base)


@given(st.integers(0, 127), st.integers(1, 200))
def test_there_are_exactly_as_many_retries_as_were_asked_for(max_retries: int, attempt: int) -> None:
    policy = RetryPolicy(max_retries=max_retries, base_delay=timedelta(seconds=1))
    at = policy.next_attempt_at(attempt=attempt, failed_at=NOON, jitter=0.0)

    assert (at is None) is (attempt > max_retries)


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=600), st.text(max_size=300).map(str.encode)), st.integers(60, 300))
def test_a_copy_fits_and_is_text_and_tells_every_byte_left_out(data: bytes, limit: int) -> None:
    copy = copy_text(data, limit)

    assert len(copy.encode()) <= limit
    assert "\0" not in copy
    if data.decode("utf-8", "replace").replace("\0", "\ufffd") != copy:
        assert MARK.search(copy) is not None


@given(st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=100, max_size=600))
def test_of_plain_text_head_tail_and_what_is_left_out_add_up(text: str) -> None:
    copy = copy_text(text.encode(), 90)
    mark = MARK.search(copy)
    if mark is None:
        return
    head, tail = copy[: mark.start()], copy[mark.end() :]

    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + len(tail) + int(mark[1]) == len(text)


@given(st.text(max_size=2000))
def test_a_message_is_one_line_that_fits_its_column(text: str) -> None:
    message = cut_message(text)

    assert len(message) <= 1000
    assert "\n" not in message
    assert "\0" not in message


@pytest.mark.slow
@settings(max_examples=300)
@given(st.text(st.sampled_from("0123456789*/,-jansuLW#?@ \t\n\0ıſ٣"), max_size=40))
def test_any_text_is_either_a_schedule_or_refused_in_one_printable_line(text: str) -> None:
    said = _refusal(text)

    assert said.isprintable()
    assert len(said) < 20 * MAX_PATTERN_LENGTH


def _refusal(text: str) -> str:
    try:
        Schedule.parse(text)
    except InvalidScheduleError as refusal:
        return str(refusal)
    return ""


@pytest.mark.slow
@settings(max_examples=200)
@given(PATTERNS)
def test_every_schedule_can_be_told_in_words(pattern: DrawnPattern) -> None:
    try:
        Schedule.parse(pattern.text)
    except InvalidScheduleError:
        return

    assert describe(pattern.text)
