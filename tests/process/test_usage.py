"""What a run uses over time: noted by its supervisor, read beside its output, deleted with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from smart_cron.services.output.usage import usage_of
from smart_cron.taskrunner import usage
from smart_cron.taskrunner.output import output_files, segment_path
from smart_cron.taskrunner.usage import UsageLog

MEGABYTES = 40
# It has that much memory, has burnt some CPU in a child that ended, and says so.
BUSY = f"""
import os, sys, time
block = bytearray(b"x") * ({MEGABYTES} << 20)
if not os.fork():
    end = time.process_time() + 0.3
    while time.process_time() < end: pass
    os._exit(0)
os.wait()
print("there", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"there\n"
    yield process
    process.communicate()


def test_memory_and_cpu_of_the_whole_tree_are_noted(busy: subprocess.Popen[bytes], tmp_path: Path) -> None:
    log = UsageLog(str(tmp_path / "x.out"))
    log.look(5.0, ended_cpu_seconds=2.0)
    log.look(35.0, ended_cpu_seconds=2.0)
    log.close()

    first, second = usage_of(tmp_path / "x.out")
    assert (first.seconds, second.seconds) == (5.0, 35.0)
    assert first.memory_bytes > MEGABYTES << 20
    assert first.cpu_seconds >= 2.3
    assert first.cpu_percent == pytest.approx(100 * first.cpu_seconds / 5.0, abs=1)
    assert second.cpu_percent == pytest.approx(max(0.0, 100 * (second.cpu_seconds - first.cpu_seconds) / 30.0), abs=1)
    assert first.processes >= 1


def test_a_run_that_goes_on_for_long_is_looked_at_less_and_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever else descends from this process just now.
    monkeypatch.setattr(usage, "_used", lambda: (1000, 0.0, 1))
    log, elapsed = UsageLog(str(tmp_path / "x.out")), 0.0
    while elapsed < 86_400:
        elapsed = log.due_after
        log.look(elapsed, ended_cpu_seconds=elapsed / 2)
    log.close()

    looks = usage_of(tmp_path / "x.out")
    assert 40 <= len(looks) <= usage.MOST_LOOKS
    assert looks[0].seconds == usage.FIRST_SECONDS
    assert looks[-1].seconds > 80_000
    assert all(each.cpu_percent == pytest.approx(50, abs=2) for each in looks)


def test_what_cannot_be_written_is_not_tried_again(tmp_path: Path) -> None:
    Path(segment_path(str(tmp_path / "x.out"), usage.STREAM, 1)).symlink_to(tmp_path / "elsewhere")
    log = UsageLog(str(tmp_path / "x.out"))
    log.look(5.0, ended_cpu_seconds=0.0)
    log.close()

    assert log.due_after == float("inf")
    assert not (tmp_path / "elsewhere").exists()


def test_a_torn_or_foreign_file_is_read_as_far_as_it_makes_sense(tmp_path: Path) -> None:
    path = Path(segment_path(str(tmp_path / "x.out"), usage.STREAM, 1))
    path.write_bytes(b"5.0 1000 0.50 1\nnonsense\n5.0 1000 0.50 1\n\xff\xfe\n35.0 2000 1.50 2\n65.0 30")

    assert [(each.seconds, each.memory_bytes) for each in usage_of(tmp_path / "x.out")] == [(5.0, 1000), (35.0, 2000)]
    assert usage_of(tmp_path / "nothing.out") == []


def test_it_is_one_of_the_files_of_the_output(tmp_path: Path) -> None:
    (tmp_path / "x.out").touch()
    log = UsageLog(str(tmp_path / "x.out"))
    log.look(5.0, ended_cpu_seconds=0.0)
    log.close()

    assert len(output_files(str(tmp_path / "x.out"))) == 2
    assert os.stat(segment_path(str(tmp_path / "x.out"), usage.STREAM, 1)).st_mode & 0o777 == 0o640
