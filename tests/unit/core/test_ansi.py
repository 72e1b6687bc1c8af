"""What a task printed, as a page may show it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_cron.core.ansi import SIGNS, styled


def shown(text: str) -> list[tuple[str, str]]:
    return [(style.classes, part) for style, part in styled(text) if part]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", [("", "plain")]),
        ("\x1b[31mred\x1b[0m not", [("fg1", "red"), ("", " not")]),
        ("\x1b[1;91;44mloud", [("fg9 bg4 bold", "loud")]),
        ("\x1b[mx", [("", "x")]),
        ("\x1b[7mturned", [("fg0 bg7", "turned")]),
        ("\x1b[38;5;9mof 256", [("fg9", "of 256")]),
        ("\x1b[38;5;196mcube", [("fg9", "cube")]),
        ("\x1b[38;2;0;0;255mtrue", [("fg12", "true")]),
        ("\x1b[38;5mhalf", [("fg0", "half")]),
        ("\x1b[999999999999mx", [("", "x")]),
        ("\x1b[1m\x1b[22mx", [("", "x")]),
        ("a\x1b[2J\x1b[10;10Hb", [("", "a"), ("", "b")]),
        ("\x1b]0;title\x07x", [("", "x")]),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", [("", "link")]),
        ("\x1bc", [("", "\u241bc")]),
        ("nul \0, bell \a, back \b, return \r", [("", "nul \u2400, bell \u2407, back \u2408, return \u240d")]),
        ("a\u202eb", [("", "a\u27e8U+202E\u27e9b")]),
        ("\u2028", [("", "\u27e8U+2028\u27e9")]),
        ("tab\tstays \U0001f600", [("", "tab\tstays \U0001f600")]),
    ],
)
def test_colours_are_kept_and_all_else_that_acts_is_shown(text: str, expected: list[tuple[str, str]]) -> None:
    assert shown(text) == expected


@given(st.text(alphabet=st.one_of(st.characters(codec=None), st.sampled_from("\x1b[];m0123\x07\\<&\u202e"))))
def test_nothing_that_acts_comes_through_whatever_was_printed(text: str) -> None:
    parts = [part for _, part in styled(text)]

    assert not any(ord(mark) in SIGNS for part in parts for mark in part)


def test_a_long_beginning_of_a_sequence_costs_no_more_than_its_length() -> None:
    text = "\x1b[" * 50_000 + "\x1b]" * 50_000

    assert len(shown(text)) >= 1
