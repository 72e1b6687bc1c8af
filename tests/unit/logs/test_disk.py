"""What a bad disk, a bad neighbour or a crowd of writers may not do."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from smart_cron.logs import SmartCronLogger

WRITER = """
import sys
from smart_cron.logs import SmartCronLogger
logger = SmartCronLogger(sys.argv[1], buffered=True)
for number in range(400):
    logger.info("x" * 300, {"writer": sys.argv[2], "number": number})
    if number % 7 == 0:
        logger.flush()
logger.flush()
"""


def messages(path: Path) -> list[str]:
    return [json.loads(line)["message"] for line in path.read_bytes().splitlines() if line]


@pytest.mark.slow
def test_lines_of_several_processes_never_interleave(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(name)]) for name in range(4)]

    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0, 0]
    # Who opens the file amid the write of another begins a line of its own: a blank one may stand between.
    entries = [json.loads(line) for line in path.read_bytes().splitlines() if line]
    for name in "0123":
        mine = [entry["context"]["number"] for entry in entries if entry["context"]["writer"] == name]
        assert mine == list(range(400))


def test_a_new_file_may_be_read_by_the_group_and_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    before = os.umask(0)
    try:
        SmartCronLogger(path).info("x")
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o640


def test_a_missing_folder_is_made_but_no_deeper_one(tmp_path: Path) -> None:
    SmartCronLogger(tmp_path / "log/x.log").info("x")
    deep = SmartCronLogger(tmp_path / "a/b/x.log")
    deep.info("x")

    assert (tmp_path / "log/x.log").exists()
    assert (deep.lost_lines, (tmp_path / "a").exists()) == (1, False)


@pytest.mark.parametrize("trap", ["link", "hard link", "fifo", "folder"])
def test_nothing_but_a_plain_file_is_written_to(tmp_path: Path, trap: str, capsys: pytest.CaptureFixture[str]) -> None:
    path, victim = tmp_path / "x.log", tmp_path / "victim"
    victim.write_text("precious")
    {
        "link": lambda: path.symlink_to(victim),
        "hard link": lambda: path.hardlink_to(victim),
        "fifo": lambda: os.mkfifo(path),
        "folder": path.mkdir,
    }[trap]()
    logger = SmartCronLogger(path)
    logger.error("x")
    logger.error("y")

    assert victim.read_text() == "precious"
    assert logger.lost_lines == 2
    assert capsys.readouterr().err.count("cannot write the log") == 1


def test_the_first_line_that_succeeds_again_tells_how_many_were_lost(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.mkdir()
    logger = SmartCronLogger(path)
    logger.info("one")
    logger.info("two")
    path.rmdir()
    logger.info("three")
    logger.info("four")

    assert messages(path) == ["2 log lines were lost", "three", "four"]
    assert logger.lost_lines == 0


def test_a_full_disk_tears_no_later_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.log"
    logger = SmartCronLogger(path)
    logger.info("one")
    real, room = os.write, [100]

    def short_write(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        data, room[0] = data[: room[0]], 0
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", short_write)
    logger.info("two")
    monkeypatch.undo()
    logger.info("three")
    whole = [entry["message"] for entry in SmartCronLogger.get_tail(path) if "raw" not in entry]

    assert whole == ["one", "1 log line was lost", "three"]


def test_a_broken_standard_error_is_no_reason_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.log").mkdir()
    reader, writer = os.pipe()
    os.close(reader)
    # Unbuffered text: the write itself fails, and nothing is left for the closing.
    with open(writer, "wb", buffering=0) as raw, io.TextIOWrapper(raw, write_through=True) as broken:
        monkeypatch.setattr(sys, "stderr", broken)
        logger = SmartCronLogger(tmp_path / "x.log")
        logger.error("x")
        monkeypatch.undo()

    assert logger.lost_lines == 1


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    logger = SmartCronLogger(path)
    logger.info("one")
    path.rename(tmp_path / "old.log")
    logger.info("two")

    assert (messages(tmp_path / "old.log"), messages(path)) == (["one"], ["two"])


def test_a_line_that_a_killed_process_left_unfinished_is_ended_first(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(b'{"message": "to')
    SmartCronLogger(path).info("next")

    assert [entry["message"] for entry in SmartCronLogger.get_tail(path)] == ['{"message": "to', "next"]


def test_a_forked_child_does_not_write_its_parents_lines_again(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    logger = SmartCronLogger(path, buffered=True)
    logger.info("parent")
    child = os.fork()
    if child == 0:
        try:
            logger.info("child")
            logger.flush()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    logger.flush()

    assert sorted(messages(path)) == ["child", "parent"]
