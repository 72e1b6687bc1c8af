"""Patterns are read strictly, and each refusal says what is wrong, where, and how to mend it."""

from __future__ import annotations

import pytest

from smart_cron.core.cron_fields import MACROS, read_fields
from smart_cron.core.errors import InvalidScheduleError


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("60 * * * *", ["minute '60'", "out of range", "0-59"]),
        ("* 24 * * *", ["hour '24'", "0-23"]),
        ("* * 0 * *", ["day of month '0'", "1-31"]),
        ("* * * 13 *", ["month '13'", "1-12 or jan-dec"]),
        ("* * * * 8", ["day of week '8'", "0-7 or sun-sat"]),
        ("-1 * * * *", ["minute '-1'", "cannot be read"]),
        ("5-1 * * * *", ["backwards", "5-59,0-1"]),
        ("0 0 * * fri-sun", ["backwards", "fri-7"]),
        ("0 0 * * 5-0", ["backwards", "5-7"]),
        ("*/0 * * * *", ["step"]),
        ("0-30/0 * * * *", ["step"]),
        ("5/10 * * * *", ["5-59/10"]),
        ("*-5 * * * *", ["cannot be read"]),
        ("** * * * *", ["cannot be read"]),
        ("1,,2 * * * *", ["missing"]),
        ("1, * * * *", ["missing"]),
        ("1.5 * * * *", ["cannot be read"]),
        ("+5 * * * *", ["cannot be read"]),
        ("1-2-3 * * * *", ["cannot be read"]),
        ("*/5/5 * * * *", ["cannot be read"]),
        ("1_0 * * * *", ["cannot be read"]),
        ("jan * * * *", ["minute 'jan'", "not known"]),
        ("* * * sun *", ["month 'sun'", "jan-dec"]),
        ("* * * * jan", ["day of week 'jan'", "sun-sat"]),
        ("* * * january *", ["not known"]),
        ("* * L * *", ["L, W, # or ?"]),
        ("* * LW * *", ["L, W, # or ?"]),
        ("* * 15W * *", ["L, W, # or ?"]),
        ("* * * * 5L", ["L, W, # or ?"]),
        ("* * * * 1#2", ["L, W, # or ?"]),
        ("* * ? * *", ["L, W, # or ?"]),
        ("9999999999999999999 * * * *", ["out of range"]),
        ("*/99999999999999 * * * *", ["step"]),
        ("0 0 30 2 *", ["never fire"]),
        ("0 0 31 2,4,6,9,11 *", ["never fire"]),
        ("0 0 30 feb */2", ["never fire"]),
        ("", ["empty"]),
        (" \t ", ["empty"]),
        ("* * * *", ["4 fields"]),
        ("* * * * * *", ["six fields", "seconds are not supported"]),
        ("* * * * * * *", ["7 fields"]),
        ("@fortnightly", ["not known", "@daily"]),
        ("@daily 5", ["not known"]),
        ("* * * * *\n", ["character '\\n'"]),
        ("* * * * *\r", ["character '\\r'"]),
        ("* * *\0* *", ["character '\\x00'"]),
        ("* *\u00a0* * *", ["character '\\xa0'"]),
        ("* *\x0b* * *", ["character '\\x0b'"]),
        ("0 0 * * fr\u0131", ["character '\\u0131'"]),
        ("0 0 * * \u017fun", ["character '\\u017f'"]),
        ("\u0661 * * * *", ["character '\\u0661'"]),
        ("\uff15 * * * *", ["character '\\uff15'"]),
    ],
)
def test_refuses_what_cron_does_not_know_and_says_how_to_mend_it(pattern: str, words: list[str]) -> None:
    with pytest.raises(InvalidScheduleError) as caught:
        read_fields(pattern)

    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_every_problem_of_a_pattern_comes_at_once() -> None:
    with pytest.raises(InvalidScheduleError) as caught:
        read_fields("60 24 0 13 8")

    assert len(caught.value.problems) == 5
    assert "schedule '60 24 0 13 8'" in caught.value.problems[0]


@pytest.mark.parametrize("pattern", ["*" * 10_000, "1," * 128 + "1 * * * *"])
def test_a_pattern_too_long_for_its_column_is_refused_with_a_short_message(pattern: str) -> None:
    with pytest.raises(InvalidScheduleError) as caught:
        read_fields(pattern)

    assert "at most 255" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_no_message_carries_control_characters() -> None:
    with pytest.raises(InvalidScheduleError) as caught:
        read_fields("\x1b[31m evil\r\nline * * *")

    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("pattern", "same"),
    [
        ("0 0 * jan-mar mon,wed,FRI", "0 0 * 1-3 1,3,5"),
        ("0 0 * * mon-fri/2", "0 0 * * 1,3,5"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * 5-7", "0 0 * * 5,6,0"),
        ("0 0 * * 1-7/2", "0 0 * * 1,3,5,0"),
        ("05 007 * * *", "5 7 * * *"),
        ("\t0   0\t* * *  ", "0 0 * * *"),
        ("5,5,5 0 * * *", "5 0 * * *"),
        ("10-10 0 * * *", "10 0 * * *"),
        ("@Midnight", "@daily"),
        ("@annually", "@yearly"),
    ],
)
def test_different_spellings_mean_the_same(pattern: str, same: str) -> None:
    assert read_fields(pattern) == read_fields(same)


@pytest.mark.parametrize("word", sorted(MACROS))
def test_every_word_means_its_five_fields(word: str) -> None:
    assert read_fields(word) == read_fields(MACROS[word])


@pytest.mark.parametrize(
    ("pattern", "needs_both"),
    [
        ("0 0 13 * 5", False),
        ("0 0 * * 5", True),
        ("0 0 13 * *", True),
        ("0 0 */2 * 5", True),
        ("0 0 1-31/2 * 5", False),
    ],
)
def test_a_star_at_the_start_of_a_day_field_decides_between_and_and_or(pattern: str, needs_both: bool) -> None:
    assert read_fields(pattern).needs_both_days is needs_both


@pytest.mark.parametrize(
    ("pattern", "is_wildcard"),
    [
        ("0 2 * * *", False),
        ("0 0-23/2 * * *", False),
        ("0 */2 * * *", True),
        ("*/5 2 * * *", True),
        ("0-59/5 2 * * *", False),
        ("@hourly", True),
        ("@daily", False),
    ],
)
def test_a_star_at_the_start_of_minute_or_hour_makes_a_wildcard_job(pattern: str, is_wildcard: bool) -> None:
    assert read_fields(pattern).is_wildcard is is_wildcard


def test_a_step_beyond_its_field_leaves_the_first_value_as_in_cron() -> None:
    assert read_fields("*/90 * * * *").minutes == (0,)


def test_rare_dates_are_no_impossible_dates() -> None:
    assert read_fields("0 0 29 2 */7").days == {29}
    assert read_fields("0 0 31 1,2 *").months == {1, 2}
    assert read_fields("0 0 30 2 1").needs_both_days is False
