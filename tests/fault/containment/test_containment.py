"""Whatever a task does, it ends in time, with its whole tree, with the right status, and harms nobody else.

Every process here is a real one. Each test runs beside a neighbour that its fixture asks at the end.
"""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.fault.containment.conftest import PYTHON, Fighter
from tests.process.conftest import Node

from smart_cron.taskrunner.reading import OutputReader

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("neighbour")]

SHORT: dict[str, Any] = {"timeout_seconds": 1.5, "kill_grace_seconds": 0.3}
# By when a run with these limits is over even on a machine that does something else: far below what it would take.
IN_TIME = 15.0
MEGABYTE = 1 << 20
GIGABYTE = 1 << 30


def assert_timed_out(end: dict[str, Any], *, by: signal.Signals = signal.SIGKILL) -> None:
    assert (end["cause"], end["term_signal"], end["unkillable"]) == ("timeout", by, [])
    assert SHORT["timeout_seconds"] <= end["duration"] < IN_TIME


def test_a_tree_that_ignores_every_polite_signal_is_killed(fighter: Fighter) -> None:
    end = fighter.fight("deaf(); os.fork(); os.fork(); tell(); for_ever()", **SHORT)

    assert_timed_out(end)
    assert len(fighter.pids()) == 4


FAMILY = """
def descend(level):
    tell()
    if level:
        daemon(lambda: descend(level - 1))
        daemon(lambda: (deaf(), tell(), for_ever()))
    {then}
os.environ.clear()
"""


def test_daemons_of_daemons_end_with_the_run_that_times_out(fighter: Fighter) -> None:
    end = fighter.fight(FAMILY.format(then="for_ever()") + "descend(4)", **SHORT)

    assert_timed_out(end, by=signal.SIGTERM)
    assert len(fighter.pids()) == 9


def test_daemons_whose_every_ancestor_is_gone_end_with_a_run_that_succeeds(fighter: Fighter) -> None:
    end = fighter.fight(FAMILY.format(then="return") + "descend(4); told(9); sys.exit(0)", kill_grace_seconds=0.3)

    assert (end["cause"], end["exit_code"], end["unkillable"]) == ("exited", 0, [])
    # Four that are deaf were there to be found; those above them had ended.
    assert {int(name.partition(":")[0]) for name in end["leftovers"]} <= set(fighter.pids())
    assert len(end["leftovers"]) == 4


def test_who_holds_the_pipe_open_after_the_exit_and_prints_on_delays_nothing(fighter: Fighter) -> None:
    chatter = "def chat():\n    tell()\n    while True: os.write(1, b'x' * 65536)\n"
    end = fighter.fight(chatter + "daemon(chat); told(1); sys.exit(3)")

    assert (end["cause"], end["exit_code"]) == ("exited", 3)
    assert end["duration"] < IN_TIME
    assert end["stdout_bytes"] >= 65_536


def test_closed_output_is_no_end_and_costs_nothing(fighter: Fighter, node: Node) -> None:
    order = fighter.launch("os.close(0); os.close(1); os.close(2); tell(); time.sleep(1); sys.exit(7)")
    supervisor = node.event("started", order["run_id"])["supervisor_pid"]
    end = node.event("finished", order["run_id"])

    assert (end["cause"], end["exit_code"], end["stdout_bytes"]) == ("exited", 7, 0)
    # A loop around an end of file would have taken the whole second.
    assert cpu_seconds(supervisor) < 0.5


def test_a_task_without_output_still_times_out(fighter: Fighter) -> None:
    assert_timed_out(fighter.fight("os.close(1); os.close(2); deaf(); tell(); for_ever()", **SHORT))


BOMB = """
deaf()
def burst():
    os.setsid()
    end = time.monotonic() + 4
    while time.monotonic() < end:
        try:
            if os.fork(): os._exit(0)
        except OSError:
            time.sleep(0.01)
    os._exit(0)
for _ in range(200):
    if os.fork() == 0: burst()
tell()
for_ever()
"""


def test_a_fork_bomb_is_killed_faster_than_it_forks(fighter: Fighter) -> None:
    """Two hundred at a time, for four seconds at most: this machine has other things to do."""
    end = fighter.fight(BOMB, **SHORT)

    assert_timed_out(end)


def test_a_fork_bomb_that_kills_its_supervisor_is_killed_by_the_task_runner(fighter: Fighter) -> None:
    bomb = BOMB.replace("tell()\nfor_ever()", "tell()\nos.kill(os.getppid(), signal.SIGKILL)\nfor_ever()")
    end = fighter.fight(bomb, timeout_seconds=30)

    assert (end["cause"], end["unkillable"]) == ("lost", [])
    assert end["duration"] < IN_TIME


def test_two_gigabytes_of_output_pass_through_the_room_of_the_cap(node: Node) -> None:
    """Two stand for the ten of a real accident: memory and disk are flat from the first hundred megabytes on."""
    order = node.launch(shell_command=f"head -c {2 * GIGABYTE} /dev/zero", limits={"output_bytes": MEGABYTE})
    supervisor = node.event("started", order["run_id"])["supervisor_pid"]
    most = 0
    while not any(event["event"] == "finished" and event["run_id"] == order["run_id"] for event in node.events):
        node.events.extend(node.client.poll(0.05))
        most = max(most, peak_bytes(supervisor))
    end = node.event("finished", order["run_id"])

    assert (end["cause"], end["exit_code"]) == ("exited", 0)
    assert (end["stdout_bytes"], end["output_truncated"]) == (2 * GIGABYTE, True)
    assert sum(path.stat().st_size for path in Path(order["output_path"]).parent.iterdir()) < 2 * MEGABYTE
    assert 0 < most < 64 * MEGABYTE


def test_memory_is_counted_over_all_processes_of_a_run(fighter: Fighter) -> None:
    hog = "def hog():\n    tell()\n    block = bytearray(40_000_000)\n    for_ever()\n"
    end = fighter.fight(
        hog + "for _ in range(6): daemon(hog)\nfor_ever()", limits={"memory_bytes": 150_000_000, "output_bytes": 1000}
    )

    assert (end["cause"], end["term_signal"]) == ("oom", signal.SIGKILL)
    assert end["duration"] < IN_TIME


DISGUISE = """
libc = ctypes.CDLL(None)
deaf()
def hide(name):
    libc.prctl(15, name, 0, 0, 0)
def twin():
    hide(b"x) Z 1 1 1 (y")
    tell()
    for_ever()
hide(b") S 1 1 (\\n\\xff ")
daemon(twin)
daemon(twin)
tell()
for_ever()
"""


def test_processes_that_change_their_names_to_fool_a_reader_of_proc_are_found(fighter: Fighter) -> None:
    end = fighter.fight(DISGUISE, **SHORT)

    assert_timed_out(end)
    assert len(fighter.pids()) == 3


def test_a_task_that_stopped_itself_ends_at_its_timeout(fighter: Fighter) -> None:
    end = fighter.fight("tell(); os.kill(os.getpid(), signal.SIGSTOP); for_ever()", **SHORT)

    assert_timed_out(end, by=signal.SIGTERM)


def test_a_deaf_tree_that_stopped_itself_is_killed(fighter: Fighter) -> None:
    stop = "def stop():\n    tell()\n    while True: os.kill(os.getpid(), signal.SIGSTOP)\n"
    end = fighter.fight(stop + "deaf(); daemon(stop); stop()", **SHORT)

    assert_timed_out(end)
    assert len(fighter.pids()) == 2


def test_a_line_of_64_megabytes_of_any_bytes_is_counted_and_cut_and_hashed_whole(node: Node) -> None:
    piece = b"\0\xff\xfe\xc3(\x1b[2J\xed\xa0\x80" * 5958  # NULs, what is not UTF-8, what a terminal would obey
    count = 64 * MEGABYTE // len(piece) + 1
    blob = node.base / "blob"
    blob.write_bytes(piece)
    order = node.launch(
        shell_command=f"i=0; while [ $i -lt {count} ]; do cat {blob}; i=$((i+1)); done",
        limits={"output_bytes": 10_000_000},
    )
    end = node.event("finished", order["run_id"])

    assert (end["cause"], end["exit_code"], end["stdout_bytes"]) == ("exited", 0, count * len(piece))
    assert end["output_truncated"]
    assert end["output_sha256"] == hashlib.sha256(piece * count).hexdigest()
    kept = b"".join(chunk.data for chunk in OutputReader(end["output_path"]).read("stdout"))
    assert kept.startswith(piece)
    assert kept.endswith(piece)


def test_a_task_that_kills_its_supervisor_loses_its_own_run_alone(fighter: Fighter) -> None:
    end = fighter.fight(
        "deaf(); daemon(lambda: (tell(), for_ever()))\ntold(1)\nos.kill(os.getppid(), signal.SIGKILL); for_ever()"
    )

    assert (end["cause"], end["exit_code"], end["term_signal"]) == ("lost", None, None)
    assert "supervisor was killed" in end["reason"]


def test_a_task_that_asks_its_supervisor_to_end_is_killed(fighter: Fighter) -> None:
    end = fighter.fight("tell(); os.kill(os.getppid(), signal.SIGTERM); for_ever()", kill_grace_seconds=0.3)

    assert end["cause"] == "killed"


def test_a_flood_of_signals_to_the_supervisor_changes_nothing(fighter: Fighter) -> None:
    flood = "\n".join(
        f"for _ in range(2000): os.kill(os.getppid(), signal.{name})" for name in ("SIGCHLD", "SIGHUP", "SIGINT")
    )
    end = fighter.fight(f"tell()\n{flood}\nsys.exit(9)")

    assert (end["cause"], end["exit_code"]) == ("exited", 9)


def test_output_and_timeout_hold_for_a_task_that_lowers_every_priority(fighter: Fighter) -> None:
    """And one that prints while it is being ended: the pipe is read until the last process is gone."""
    body = "deaf(); os.nice(19); tell()\nwhile True: os.write(1, b'y' * 100_000)"
    end = fighter.fight(body, limits={"output_bytes": 100_000}, **SHORT)

    assert_timed_out(end)
    assert end["output_truncated"]


def peak_bytes(pid: int) -> int:
    """Return the high-water mark of a process's resident memory, 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_interpreter_of_these_tasks_is_no_shim() -> None:
    assert os.path.realpath(PYTHON).startswith("/usr/bin/")
