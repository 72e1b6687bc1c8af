"""What tasks print, as the supervisor keeps it."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path

import pytest
from tests.process.conftest import Node

from smart_cron.taskrunner.output import output_files
from smart_cron.taskrunner.reading import Chunk, OutputReader

PYTHON = "/usr/bin/python3"


def chunks(end: dict[str, object], stream: str | None = None) -> list[Chunk]:
    return list(OutputReader(str(end["output_path"])).read(stream))


def test_both_streams_are_kept_apart_and_in_order_of_reading_with_times(node: Node) -> None:
    end = node.shell("echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three")

    seen = chunks(end)
    assert [(c.stream, c.data) for c in seen] == [("stdout", b"one\n"), ("stderr", b"two\n"), ("stdout", b"three\n")]
    assert seen[0].milliseconds + 90 <= seen[1].milliseconds <= seen[2].milliseconds - 90
    assert (end["stdout_bytes"], end["stderr_bytes"]) == (10, 4)


def test_merged_output_keeps_the_exact_order(node: Node) -> None:
    count = 500
    end = node.shell(f"i=0; while [ $i -lt {count} ]; do echo o$i; echo e$i >&2; i=$((i+1)); done", merge_output=True)

    lines = b"".join(c.data for c in chunks(end)).split()
    assert lines == [b"%c%d" % (letter, i) for i in range(count) for letter in b"oe"]
    assert end["stderr_bytes"] == 0


def test_a_silent_task_leaves_no_file(node: Node) -> None:
    order = node.launch(shell_command="true")
    end = node.event("finished", order["run_id"])

    assert end["output_path"] is None
    assert not Path(order["output_path"]).exists()
    assert end["output_sha256"] == hashlib.sha256().hexdigest()


def test_any_bytes_are_kept_as_they_are(node: Node) -> None:
    every = bytes(range(256)) * 100
    blob = node.base / "blob"
    blob.write_bytes(every)

    end = node.shell(f"cat {blob}")

    assert b"".join(c.data for c in chunks(end)) == every
    assert end["output_sha256"] == hashlib.sha256(every).hexdigest()


@pytest.mark.slow
def test_a_gigabyte_passes_through_the_room_of_the_cap(node: Node) -> None:
    cap, size = 1_000_000, 1_000_000_000
    end = node.shell(
        f"echo first; head -c {size} /dev/zero; echo last", limits={"output_bytes": cap}, timeout_seconds=120
    )

    reader = OutputReader(end["output_path"])
    head_tail, total = reader.head_tail("stdout", 1000)
    on_disk = sum(os.stat(path).st_blocks * 512 for path in output_files(end["output_path"]))
    assert end["stdout_bytes"] == total == size + len("first\nlast\n")
    assert end["output_truncated"]
    assert head_tail.startswith(b"first\n")
    assert head_tail.endswith(b"last\n")
    assert b"bytes dropped ...]" in head_tail
    assert on_disk < 1.4 * cap


def test_output_below_the_cap_is_never_called_truncated(node: Node) -> None:
    end = node.shell("head -c 99999 /dev/zero", limits={"output_bytes": 100_000})

    assert not end["output_truncated"]
    assert sum(len(c.data) for c in chunks(end)) == 99_999


def test_a_growing_file_is_followed(node: Node) -> None:
    post = node.signpost()
    order = node.launch(shell_command=f"echo one; read x < {post.path}; echo two")
    node.event("started", order["run_id"])
    reader = OutputReader(order["output_path"])

    assert [c.data for c in reader.read()] == [b"one\n"]
    os.write(os.open(post.path, os.O_RDWR | os.O_NONBLOCK), b"go\n")
    node.event("finished", order["run_id"])
    assert [c.data for c in reader.read()] == [b"two\n"]


@pytest.mark.parametrize("kind", ["symlink", "file", "fifo", "directory"])
def test_security_36_what_was_planted_at_the_output_path_is_not_touched(node: Node, kind: str) -> None:
    victim = node.base / "victim"
    victim.write_text("precious")
    planted = node.base / "planted"
    if kind == "symlink":
        planted.symlink_to(victim)
    elif kind == "file":
        os.link(victim, planted)
    elif kind == "fifo":
        os.mkfifo(planted)
    else:
        planted.mkdir()

    end = node.shell("echo overwritten", output_path=str(planted))

    assert victim.read_text() == "precious"
    assert end["exit_code"] == 0
    assert end["output_truncated"]
    assert "exists" in end["reason"]


@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory"])
def test_security_36_what_was_planted_as_a_run_file_starts_nothing(node: Node, kind: str) -> None:
    victim = node.base / "victim"
    victim.write_text("precious")
    order = node.order(shell_command=f"echo gone > {victim}")
    planted = node.runs / order["run_id"]
    if kind == "symlink":
        planted.symlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(planted)
    else:
        planted.mkdir()
    node.client.launch([order])

    assert node.event("refused", order["run_id"])["code"] in ("invalid", "space")
    assert victim.read_text() == "precious"


def test_a_task_that_prints_for_ever_after_its_end_does_not_hold_the_result(node: Node) -> None:
    end = node.shell("(trap '' PIPE; while :; do echo y; done) & exit 3", keep_processes=True)

    for name in end["leftovers"]:
        os.kill(int(name.partition(":")[0]), signal.SIGKILL)
    assert end["exit_code"] == 3
    assert end["leftovers"]
