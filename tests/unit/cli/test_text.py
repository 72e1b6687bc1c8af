from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_cron.faces.cli.text import counted, instant_in_full, moment, printable, printable_lines, rate, size, span

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.mark.slow
@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.text())
def test_security_22_nothing_that_a_terminal_acts_upon_is_left(text: str) -> None:
    assert printable(text).isprintable()


def test_ordinary_text_of_any_language_stays_as_it_is() -> None:
    assert printable("Grüße an 東京, 50 %") == "Grüße an 東京, 50 %"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[31mred", "\\x1b[31mred"), ("a\nb", "a\\nb"), ("\x9b", "\\x9b"), ("\u202egpj", "\\u202egpj")],
)
def test_control_characters_are_shown_and_not_obeyed(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_text_over_its_limit_ends_with_an_ellipsis() -> None:
    assert printable("abcdef", limit=4) == "abc…"
    assert printable("abcd", limit=4) == "abcd"


def test_lines_of_output_keep_their_indentation_and_lose_carriage_returns() -> None:
    assert printable_lines("a\r\n\tb\n") == ["a", "    b"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.4204, "420 ms"),
        (0.9996, "1 s"),
        (12.34, "12.3 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (3599.9, "1 h"),
        (7500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
        (None, "–"),
    ],
)
def test_spans_are_said_as_people_say_them(seconds: float | None, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("away", "words"),
    [
        (timedelta(0), "now"),
        (timedelta(seconds=30), "in 30 s"),
        (timedelta(minutes=-5), "5 min ago"),
        (timedelta(hours=2), "14:00"),
        (timedelta(days=1), "Mar 11 12:00"),
        (timedelta(days=400), "2027-04-14"),
    ],
)
def test_moments_are_as_short_as_the_day_allows(away: timedelta, words: str) -> None:
    assert moment(NOON + away, now=NOON, zone=UTC) == words


def test_the_day_is_that_of_the_zone_shown() -> None:
    evening = NOON + timedelta(hours=9)

    assert moment(evening, now=NOON, zone=ZoneInfo("Pacific/Auckland")) == "10:00"
    assert moment(evening, now=NOON, zone=ZoneInfo("Europe/Berlin")) == "22:00"
    assert moment(evening + timedelta(hours=2), now=NOON, zone=ZoneInfo("Europe/Berlin")) == "Mar 11 00:00"


def test_an_instant_in_full_names_its_zone() -> None:
    assert instant_in_full(NOON, zone=ZoneInfo("Europe/Berlin")) == "2026-03-10 13:00:00 CET"
    assert instant_in_full(None, zone=UTC) == "–"


@pytest.mark.parametrize(
    ("count", "words"), [(None, "–"), (999, "999 B"), (1000, "1.0 kB"), (10_000_000, "10.0 MB"), (5 * 10**12, "5.0 TB")]
)
def test_sizes_count_in_thousands(count: int | None, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(
    ("part", "whole", "words"), [(0, 0, "–"), (5, 5, "100 %"), (2, 3, "66.7 %"), (99_999, 100_000, "99.9 %")]
)
def test_a_rate_is_not_rounded_up_to_all(part: int, whole: int, words: str) -> None:
    assert rate(part, whole) == words


def test_one_is_not_several() -> None:
    assert counted(1, "task") == "1 task"
    assert counted(2, "task") == "2 tasks"
