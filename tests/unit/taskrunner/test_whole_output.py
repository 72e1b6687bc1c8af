"""Both streams of a finished run by one read: all of it, or nothing."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.taskrunner.test_output import CHUNKS, of_stream, write

from smart_cron.taskrunner.output import STDERR, STDOUT
from smart_cron.taskrunner.reading import FRAMES_BYTES, whole_output


@given(CHUNKS, st.sampled_from([0, 1000, 1_000_000]))
@settings(deadline=None)
def test_it_is_what_was_printed_or_nothing(chunks: list[tuple[int, bytes]], cap: int) -> None:
    printed = of_stream(chunks, STDOUT), of_stream(chunks, STDERR)
    with tempfile.TemporaryDirectory() as place:
        write(Path(place) / "out", chunks, cap)

        found = whole_output(Path(place) / "out", len(printed[0]), len(printed[1]))

    assert found in (printed, None)
    if chunks and cap == 1_000_000:
        assert found == printed


def test_output_in_too_many_pieces_is_left_to_the_reader(tmp_path: Path) -> None:
    chunks = [(STDOUT, b"x")] * FRAMES_BYTES
    write(tmp_path / "out", chunks, 1_000_000)

    assert whole_output(tmp_path / "out", len(chunks), 0) is None


def test_a_frame_that_is_not_whole_is_not_taken_for_output(tmp_path: Path) -> None:
    write(tmp_path / "out", [(STDOUT, b"hello\n")], 1000)
    os.truncate(tmp_path / "out", os.path.getsize(tmp_path / "out") - 1)

    assert whole_output(tmp_path / "out", 6, 0) is None


@pytest.mark.parametrize("plant", ["nothing", "link", "directory"])
def test_what_is_no_file_of_ours_is_not_read(tmp_path: Path, plant: str) -> None:
    path = tmp_path / "out"
    write(tmp_path / "real", [(STDOUT, b"hello\n")], 1000)
    if plant == "link":
        path.symlink_to(tmp_path / "real")
    elif plant == "directory":
        path.mkdir()

    assert whole_output(path, 6, 0) is None
