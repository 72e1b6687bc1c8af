"""What a result has when the machine loses its power: nothing of the page cache, all that was synced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.process.conftest import Node, wait_until_gone

from smart_cron.taskrunner import runfile
from smart_cron.taskrunner.records import FILE_BYTES

# In a process of its own: a supervisor takes every child that it finds for its run's.
WITHOUT_RUNNER = """
import os, socket, sys
from smart_cron.taskrunner import protocol, rehearsal
from smart_cron.taskrunner.supervisor import Supervisor

synced = []
os.fdatasync = lambda fd: synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
supervisor = Supervisor(theirs, runs_dir=sys.argv[1], incarnation="boot:random")
supervisor.introduce()
order = rehearsal._order("run-1", sys.argv[1], "boot:random")
ours.send(protocol.ORDER + b"\\n" + protocol.packed(order))
if sys.argv[2] == "gone":
    ours.close()
supervisor.serve_one()
print(*synced)
"""


def results_on_disk(node: Node) -> bytes:
    return b"".join(file.read_bytes() for file in node.state.glob("results-*"))


def test_a_result_that_was_told_has_been_synced(node: Node) -> None:
    end = node.shell("exit 3")

    assert f'"run_id":"{end["run_id"]}"'.encode() in results_on_disk(node)


@pytest.mark.parametrize("left", [bytes(FILE_BYTES), b""])
def test_a_result_that_was_told_survives_a_power_cut(node: Node, left: bytes) -> None:
    end = node.shell("exit 3")
    os.kill(node.runner_pid, signal.SIGKILL)
    wait_until_gone(node.runner_pid)
    (node.runs / end["run_id"]).write_bytes(left)
    for file in node.state.glob("results-*"):
        with file.open("r+b") as opened:
            opened.write(b"another boot\n")

    node.client.close()

    node.client = node.new_client()
    node.start()

    found = runfile.read(node.runs, end["run_id"])
    assert found is not None
    assert found.finished == end


@pytest.mark.parametrize(("runner", "synced"), [("gone", "run-1"), ("there", "")])
def test_a_supervisor_whose_runner_is_gone_syncs_the_result_itself(tmp_path: Path, runner: str, synced: str) -> None:
    source = str(Path(runfile.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RUNNER, str(tmp_path), runner],
        env={"PYTHONPATH": source},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.stdout.strip(), done.stderr) == (synced, "")
