"""Outputs as the task runner writes them, read from anywhere: what was printed is what is shown, once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_cron.services.output.frames import CopyFrames, FileFrames, Place
from smart_cron.services.output.lines import MOST_BYTES, PIECE_LINES, Line, Piece
from smart_cron.services.output.printed import STREAMS, Mark, Printed
from smart_cron.taskrunner.output import STDERR, STDOUT, OutputWriter

CAP = 100_000_000


def written(path: Path, *chunks: tuple[int, bytes], cap: int = CAP) -> OutputWriter:
    writer = OutputWriter(str(path), cap)
    for number, (stream, data) in enumerate(chunks):
        writer.write(stream, data, number)
    return writer


def text(lines: Sequence[Line]) -> list[str]:
    return [f"{line.number}{'oe'[line.stream - 1]}:{line.data.decode('utf-8', 'replace')}" for line in lines]


def walked(printed: Printed) -> list[Piece]:
    """Read it from its first byte to its end."""
    pieces = [printed.onward(Place())]
    while pieces[-1].has_more:
        pieces.append(printed.onward(pieces[-1].end))
    return pieces


def test_lines_of_both_streams_come_in_order_with_their_numbers(tmp_path: Path) -> None:
    written(tmp_path / "o", (STDOUT, b"one\ntwo\n"), (STDERR, b"oh\n"), (STDOUT, b"thr"), (STDOUT, b"ee\n"))

    (piece,) = walked(Printed(FileFrames(tmp_path / "o")))

    assert text(piece.lines) == ["1o:one\n", "2o:two\n", "3e:oh\n", "4o:three\n"]
    assert (piece.end.stdout, piece.end.stderr, piece.end.line) == (14, 3, 5)


def test_a_stream_that_breaks_into_a_line_begins_another_one(tmp_path: Path) -> None:
    written(tmp_path / "o", (STDOUT, b"hello "), (STDERR, b"oh\n"), (STDOUT, b"world\n"))

    (piece,) = walked(Printed(FileFrames(tmp_path / "o")))

    assert text(piece.lines) == ["1o:hello ", "2e:oh\n", "3o:world\n"]


@pytest.mark.parametrize(("stream", "expected"), [("stdout", ["1o:hello world\n"]), ("stderr", ["1e:oh\n"])])
def test_one_stream_alone_is_numbered_by_itself(tmp_path: Path, stream: str, expected: list[str]) -> None:
    written(tmp_path / "o", (STDOUT, b"hello "), (STDERR, b"oh\n"), (STDOUT, b"world\n"))

    (piece,) = walked(Printed(FileFrames(tmp_path / "o"), STREAMS[stream]))

    assert text(piece.lines) == expected


def test_bytes_that_were_dropped_leave_a_gap_with_their_number(tmp_path: Path) -> None:
    written(tmp_path / "o", *[(STDOUT, b"x" * 999 + b"\n")] * 100, cap=16_000)

    lines = [line for piece in walked(Printed(FileFrames(tmp_path / "o"))) for line in piece.lines]

    gaps = [line.gap for line in lines if line.gap]
    assert len(gaps) == 1
    assert sum(len(line.data) for line in lines) + gaps[0] == 100_000


def test_a_line_without_an_end_comes_in_parts_that_are_cut_between_characters(tmp_path: Path) -> None:
    whole = "é€😀" * 40_000
    written(
        tmp_path / "o", *[(STDOUT, whole.encode()[at : at + 65_536]) for at in range(0, len(whole.encode()), 65_536)]
    )

    pieces = walked(Printed(FileFrames(tmp_path / "o")))

    assert all(len(line.data) <= MOST_BYTES for piece in pieces for line in piece.lines)
    assert {line.number for piece in pieces for line in piece.lines} == {1}
    assert [line.begins for piece in pieces for line in piece.lines] == [True, *[False] * (len(pieces) - 1)]
    assert b"".join(bytes(line.data) for piece in pieces for line in piece.lines).decode() == whole


def test_a_character_of_which_bytes_are_missing_waits_for_them(tmp_path: Path) -> None:
    writer = written(tmp_path / "o", (STDOUT, b"caf\xc3"))
    printed = Printed(FileFrames(tmp_path / "o"), is_over=False)

    first = printed.onward(Place())
    writer.write(STDOUT, b"\xa9\n", 5)
    second = printed.onward(first.end)

    assert text(first.lines) == ["1o:caf"]
    assert (text(second.lines), second.lines[0].begins) == (["1o:é\n"], False)


def test_the_end_of_a_long_output_is_read_without_its_beginning(tmp_path: Path) -> None:
    block = b"".join(b"%07d\n" % number for number in range(8_000))
    written(tmp_path / "o", *[(STDOUT, block)] * 100)
    printed = Printed(FileFrames(tmp_path / "o"))

    pieces = printed.last()

    assert pieces[-1].lines[-1].data == b"0007999\n"
    assert pieces[-1].lines[-1].number == 800_000
    assert sum(len(piece.lines) for piece in pieces) <= 2 * PIECE_LINES
    before = printed.before(Mark(pieces[0].start.stdout, 0))
    assert before[-1].end.total == pieces[0].start.total
    assert before[-1].lines[-1].number == pieces[0].lines[0].number - 1


def test_a_line_is_found_by_its_number(tmp_path: Path) -> None:
    block = b"".join(b"%07d\n" % number for number in range(8_000))
    written(tmp_path / "o", *[(STDOUT, block)] * 20)
    printed = Printed(FileFrames(tmp_path / "o"))

    for number in (1, 2, 400, 8_000, 8_001, 99_999, 160_000):
        found = printed.around_line(number)
        assert [line.data for line in found.lines if line.number == number] == [b"%07d\n" % ((number - 1) % 8_000)]
        assert found.lines[0].number == max(1, number - 20)


def test_words_are_found_whatever_their_case(tmp_path: Path) -> None:
    written(tmp_path / "o", *[(STDOUT, b"all is well\n" * 30_000), (STDERR, b"Disk FULL\n")] * 3)

    found = list(Printed(FileFrames(tmp_path / "o")).find("disk full"))

    assert [(line.number, bytes(line.data)) for line in found] == [
        (30_001, b"Disk FULL\n"),
        (60_002, b"Disk FULL\n"),
        (90_003, b"Disk FULL\n"),
    ]
    assert list(Printed(FileFrames(tmp_path / "o"), STREAMS["stdout"]).find("disk full")) == []


def test_the_copy_in_the_row_is_read_alike() -> None:
    printed = Printed(CopyFrames("one\ntwo", "oh\n"))

    assert text(printed.last()[-1].lines) == ["1o:one\n", "2o:two", "3e:oh\n"]
    assert text(printed.after(Mark(4, 0)).lines) == ["2o:two", "3e:oh\n"]


def test_nothing_printed_is_nothing_to_show(tmp_path: Path) -> None:
    printed = Printed(FileFrames(tmp_path / "missing"))

    assert printed.last() == []
    assert printed.around_line(7).lines == []
    assert list(printed.find("x")) == []


@pytest.mark.parametrize("mark", ["", "1", "-", "1-", "x-2", "1-2-3", "-1-2", "9" * 20 + "-1", "١-٢", "1-2\n"])
def test_a_mark_that_is_none_is_refused(mark: str) -> None:
    assert Mark.parse(mark) is None


CHUNKS = st.lists(
    st.tuples(
        st.sampled_from([STDOUT, STDERR]), st.sampled_from([b"a", b"\n", b"b\nc", b"long " * 9, b"\n\n", b"\xc3"])
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(CHUNKS, st.sampled_from(["both", "stdout", "stderr"]), st.integers(0, 29))
def test_whoever_goes_on_from_a_mark_misses_nothing_and_sees_nothing_twice(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[tuple[int, bytes]], stream: str, cut: int
) -> None:
    path = tmp_path_factory.mktemp("output") / "o"
    writer = written(path, *chunks[:cut])
    growing = Printed(FileFrames(path), STREAMS[stream], is_over=False)

    first = growing.onward(Place())
    for number, (kind, data) in enumerate(chunks[cut:], cut):
        writer.write(kind, data, number)
    rest = Printed(FileFrames(path), STREAMS[stream]).after(Mark(first.end.stdout, first.end.stderr))

    for kind in STREAMS[stream]:
        printed = b"".join(data for number, data in chunks if number == kind)
        assert b"".join(bytes(line.data) for line in [*first.lines, *rest.lines] if line.stream == kind) == printed
