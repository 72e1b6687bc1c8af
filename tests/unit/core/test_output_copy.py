"""The copy of output that fits into a row."""

from __future__ import annotations

import re

from smart_cron.core.output_copy import COPY_LIMIT_BYTES, copy_text, last_line


def test_what_fits_is_kept_as_it_is() -> None:
    text = "café\n" * 10

    assert copy_text(text.encode()) == text
    assert copy_text(b"x" * COPY_LIMIT_BYTES) == "x" * COPY_LIMIT_BYTES
    assert copy_text(b"") == ""


def test_bytes_that_are_no_text_and_nul_are_replaced() -> None:
    assert copy_text(b"a\xff\0b") == "a\ufffd\ufffdb"


def test_a_long_output_keeps_its_head_and_tail_and_says_what_is_missing() -> None:
    data = b"begin" + b"." * 200_000 + b"end"
    copy = copy_text(data)
    mark = re.search(r"\n\[\.\.\. (\d+) bytes left out \.\.\.\]\n", copy)

    assert mark is not None
    assert copy.startswith("begin")
    assert copy.endswith("end")
    assert len(copy.encode()) <= COPY_LIMIT_BYTES
    assert len(copy.encode()) - len(mark[0]) + int(mark[1]) == len(data)


def test_cuts_fall_between_characters() -> None:
    for lead in range(4):
        copy = copy_text(b"x" * lead + "🙂".encode() * 30_000)

        assert "\ufffd" not in copy
        assert len(copy.encode()) > COPY_LIMIT_BYTES - 20


def test_binary_output_that_grows_when_it_is_cleaned_still_fits() -> None:
    for data in (b"\xff" * 65_535, b"\x80" * 200_000, b"\0" * 65_535, b"\xf0\x9f" * 60_000):
        assert len(copy_text(data).encode()) <= COPY_LIMIT_BYTES


def test_a_limit_too_small_for_the_mark_still_ends() -> None:
    assert "bytes left out" in copy_text(b"x" * 100, limit=10)


def test_the_last_line_is_the_last_that_says_something() -> None:
    assert last_line("one\ntwo\n \n") == "two"
    assert last_line("  \n") == ""
    assert last_line(None) == ""
