"""A full disk stops starts and never results. The disk is a small one in a name space of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.process.conftest import Node

from smart_cron.taskrunner import records
from smart_cron.taskrunner.output import STDOUT, OutputWriter
from smart_cron.taskrunner.reading import OutputReader

# Whoever may not mount does so in a user namespace of their own, and goes there by way of a process that lives in it.
MOUNT = "mount -t tmpfs -o size=256k,mode=750 tmpfs {place} && echo mounted && read end"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir(mode=0o750)
    command = ["unshare", "--map-root-user", "--mount", "/bin/sh", "-c", MOUNT.format(place=place)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"mounted\n", "these tests need root, or a machine that allows user namespaces"
    yield Path(f"/proc/{holder.pid}/root{place}")
    holder.communicate()


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        room = os.statvfs(disk)
        file.write(b"\0" * (room.f_bavail * room.f_bsize))
        with pytest.raises(OSError, match="No space"):
            file.write(b"\0")
    return filler


def test_a_start_is_refused_while_a_running_task_keeps_its_result(small_disk: Path, tmp_path: Path) -> None:
    node = Node(small_disk)
    node.state.mkdir(mode=0o750)
    node.start()
    try:
        _refuse_and_finish(node, small_disk, tmp_path)
    finally:
        node.close()


def _refuse_and_finish(node: Node, disk: Path, elsewhere: Path) -> None:
    post = node.signpost()
    held = node.launch(shell_command=f"read x < {post.path}; echo lost; exit 3")
    node.event("started", held["run_id"])
    filler = fill(disk)

    refused = node.refusal(shell_command="exit 0", output_path=str(elsewhere / "o"))
    os.write(os.open(post.path, os.O_RDWR | os.O_NONBLOCK), b"go\n")
    end = node.event("finished", held["run_id"])

    assert refused["code"] == "space"
    assert "No space left" in refused["reason"]
    assert (end["cause"], end["exit_code"]) == ("exited", 3)
    assert end["output_truncated"]
    assert "no room left" in end["reason"]
    filler.unlink()
    assert node.shell("exit 4")["exit_code"] == 4


def test_output_that_found_no_room_is_counted_and_the_gap_is_shown(small_disk: Path) -> None:
    writer = OutputWriter(str(small_disk / "out"), 10_000_000)
    writer.write(STDOUT, b"first\n", 0)
    filler = fill(small_disk)
    writer.write(STDOUT, b"x" * 50_000, 1)
    filler.unlink()
    writer.write(STDOUT, b"last\n", 2)
    writer.close()

    data, total = OutputReader(small_disk / "out").head_tail("stdout", 1000)

    assert writer.truncated
    assert total == len("first\nlast\n") + 50_000
    assert b"".join(c.data for c in OutputReader(small_disk / "out").read()).endswith(b" bytes dropped ...]\nlast\n")
    assert data.startswith(b"first\n")


def test_no_run_file_is_left_where_no_room_could_be_reserved(small_disk: Path) -> None:
    fill(small_disk)

    with pytest.raises(OSError, match="No space"):
        records.take(str(small_disk), "run-1")
    assert not (small_disk / "run-1").exists()
