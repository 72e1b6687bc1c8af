from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from smart_cron.taskrunner.output import STDERR, STDOUT, OutputWriter, output_files
from smart_cron.taskrunner.reading import OutputReader

CHUNKS = st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(min_size=1, max_size=3000)), max_size=60)


def write(path: Path, chunks: list[tuple[int, bytes]], cap: int) -> OutputWriter:
    writer = OutputWriter(str(path), cap)
    for moment, (stream, data) in enumerate(chunks):
        writer.write(stream, data, moment)
    writer.close()
    return writer


def of_stream(chunks: list[tuple[int, bytes]], stream: int) -> bytes:
    return b"".join(data for number, data in chunks if number == stream)


@given(CHUNKS)
@settings(deadline=None)
def test_below_the_cap_everything_is_read_back_in_order(chunks: list[tuple[int, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "out"
        writer = write(path, chunks, 1_000_000)
        names = {STDOUT: "stdout", STDERR: "stderr"}

        read = [(c.stream, c.data) for c in OutputReader(path).read()]

    assert read == [(names[number], data) for number, data in chunks]
    assert not writer.truncated


@given(CHUNKS, st.sampled_from([0, 1, 1000, 20_000]))
@settings(deadline=None)
def test_above_the_cap_head_and_tail_are_true_and_the_gap_is_counted(chunks: list[tuple[int, bytes]], cap: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "out"
        writer = write(path, chunks, cap)
        for name, number in (("stdout", STDOUT), ("stderr", STDERR)):
            printed = of_stream(chunks, number)
            read = b"".join(c.data for c in OutputReader(path).read(name))
            head, mark, tail = read.partition(b"\n[... ")
            if not mark or printed == read:
                assert read == printed
                continue
            dropped, _, tail = tail.partition(b" bytes dropped ...]\n")
            assert printed.startswith(head)
            assert printed.endswith(tail)
            assert len(head) + int(dropped) + len(tail) == len(printed)
            assert writer.truncated


@given(CHUNKS, st.integers(0, 5000))
@settings(deadline=None)
def test_head_and_tail_never_exceed_their_limit(chunks: list[tuple[int, bytes]], limit: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "out"
        write(path, chunks, 10_000)
        printed = of_stream(chunks, STDOUT)

        data, total = OutputReader(path).head_tail("stdout", limit)

    assert total == len(printed)
    if len(printed) <= min(limit, 5000):
        assert data == printed
    else:
        head, _, rest = data.partition(b"\n[... ")
        tail = rest.partition(b" bytes dropped ...]\n")[2]
        assert b"[... " in printed or len(head) + len(tail) <= limit


def test_a_half_written_frame_waits_for_its_rest(tmp_path: Path) -> None:
    write(tmp_path / "whole", [(STDOUT, b"hello")], 1000)
    data = (tmp_path / "whole").read_bytes()
    growing = tmp_path / "growing"
    growing.write_bytes(data + data[:15])
    reader = OutputReader(growing)

    assert [c.data for c in reader.read()] == [b"hello"]
    assert list(reader.read()) == []
    growing.write_bytes(data + data)
    assert [c.data for c in reader.read()] == [b"hello"]


def test_segments_stay_within_the_cap_and_belong_to_the_output(tmp_path: Path) -> None:
    chunk = b"x" * 10_000
    write(tmp_path / "out", [(STDOUT, chunk)] * 100, 100_000)
    (tmp_path / "out.other").touch()
    (tmp_path / "outcome").touch()

    files = output_files(str(tmp_path / "out"))

    assert min(Path(f).name for f in files) == "out"
    assert len(files) == 6
    assert sum(Path(f).stat().st_size for f in files) < 120_000


def test_output_that_was_never_written_reads_as_nothing(tmp_path: Path) -> None:
    assert list(OutputReader(tmp_path / "none").read()) == []
    assert OutputReader(tmp_path / "none").head_tail("stdout", 100) == (b"", 0)
    assert output_files(str(tmp_path / "gone" / "none")) == []
