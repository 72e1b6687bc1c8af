"""How runs end: exits, signals, deadlines, leftovers. Every process named here is a real one."""

from __future__ import annotations

import json
import os
import resource
import signal
import textwrap
from collections.abc import Callable

import pytest
from tests.process.conftest import Node, is_alive, wait_until_gone

from smart_cron.taskrunner.reading import OutputReader

PYTHON = "/usr/bin/python3"
# Forks twice with a session of its own, drops its environment, and tells its pid.
DAEMON = """(setsid env -i sh -c '{body}' >/dev/null 2>&1 &) &"""


def stray(post: str, body: str = "exec sleep 300") -> str:
    return DAEMON.format(body=f"echo $$ > {post}; {body}")


def test_exit_code_and_signal_are_kept_apart(node: Node) -> None:
    exited, killed = node.shell("exit 137"), node.shell("kill -9 $$")

    assert (exited["exit_code"], exited["term_signal"], exited["cause"]) == (137, None, "exited")
    assert (killed["exit_code"], killed["term_signal"], killed["cause"]) == (None, signal.SIGKILL, "exited")


def test_exit_124_of_a_script_is_not_our_timeout(node: Node) -> None:
    assert node.shell("exit 124")["cause"] == "exited"


@pytest.mark.slow
def test_a_run_past_its_deadline_ends_with_its_whole_tree(node: Node) -> None:
    post = node.signpost()
    order = node.launch(shell_command=stray(post.path) + " sleep 300", timeout_seconds=0.5)
    grandchild = int(post.wait())

    end = node.event("finished", order["run_id"])

    assert (end["cause"], end["term_signal"]) == ("timeout", signal.SIGTERM)
    assert not is_alive(grandchild)
    assert 0.5 <= end["duration"] < 4


@pytest.mark.slow
def test_what_ignores_sigterm_is_killed_after_the_grace(node: Node) -> None:
    post = node.signpost()
    end = node.shell(
        stray(post.path, 'trap "" TERM; while :; do sleep 1; done') + ' trap "" TERM; while :; do sleep 1; done',
        timeout_seconds=0.5,
        kill_grace_seconds=0.5,
    )

    assert (end["cause"], end["term_signal"]) == ("timeout", signal.SIGKILL)
    assert end["duration"] >= 1.0
    assert not is_alive(int(post.wait()))


@pytest.mark.slow
def test_a_task_may_use_its_grace_to_end_well(node: Node) -> None:
    end = node.shell('trap "echo bye; exit 5" TERM; while :; do sleep 0.05; done', timeout_seconds=0.3)

    assert (end["cause"], end["exit_code"]) == ("timeout", 5)
    assert end["stdout_bytes"] == len("bye\n")


@pytest.mark.slow
def test_a_stopped_task_hears_sigterm(node: Node) -> None:
    post = node.signpost()
    order = node.launch(
        shell_command=f'trap "exit 9" TERM; echo $$ > {post.path}; while :; do sleep 0.02; done', timeout_seconds=1
    )
    os.kill(int(post.wait()), signal.SIGSTOP)

    end = node.event("finished", order["run_id"])

    assert (end["cause"], end["exit_code"]) == ("timeout", 9)


def test_leftovers_of_a_finished_run_are_named_and_ended(node: Node) -> None:
    post = node.signpost()

    end = node.shell(stray(post.path) + f" read x < {post.path}; echo $x > {post.path}")
    pid = int(post.wait())

    assert end["cause"] == "exited"
    assert f"{pid}:sleep" in end["leftovers"]
    assert not is_alive(pid)


def test_a_child_that_holds_the_pipe_does_not_delay_the_result(node: Node) -> None:
    end = node.shell("sleep 300 & echo done")

    assert end["duration"] < 2
    assert end["stdout_bytes"] == len("done\n")
    assert [name.partition(":")[2] for name in end["leftovers"]] == ["sleep"]


def test_a_child_on_its_way_out_is_no_leftover(node: Node) -> None:
    assert node.shell("sleep 0.01 & exit 0")["leftovers"] == []


@pytest.mark.slow
def test_a_leftover_that_ignores_sigterm_is_killed(node: Node) -> None:
    post = node.signpost()
    body = f'trap "" TERM; echo $$ > {post.path}; while :; do sleep 0.1; done'
    end = node.shell(f"({body}) & read x < {post.path}; echo $x > {post.path}", kill_grace_seconds=0.2)

    assert end["exit_code"] == 0
    assert not is_alive(int(post.wait()))


def test_what_a_task_may_keep_lives_on_and_is_no_one_elses_leftover(node: Node) -> None:
    post = node.signpost()
    keeping = node.shell(
        stray(post.path) + f" read x < {post.path}; echo $x > {post.path}", keep_processes=True, kill_grace_seconds=0
    )
    kept = int(post.wait())

    others = [node.shell("sleep 300 & :") for _ in range(3)]

    assert is_alive(kept)
    assert any(name.startswith(f"{kept}:") for name in keeping["leftovers"])
    assert all(f"{kept}:sleep" not in end["leftovers"] for end in others)
    os.kill(kept, signal.SIGKILL)
    wait_until_gone(kept)


def test_a_supervisor_is_used_again_only_without_children(node: Node) -> None:
    first = node.launch(shell_command="sleep 0.2")
    clean = node.event("started", first["run_id"])["supervisor_pid"]
    node.event("finished", first["run_id"])
    second = node.launch(shell_command="sleep 300 & sleep 0.2", keep_processes=True)
    again = node.event("started", second["run_id"])["supervisor_pid"]
    node.event("finished", second["run_id"])
    third = node.launch(shell_command="sleep 0.2")

    assert again == clean
    assert node.event("started", third["run_id"])["supervisor_pid"] != clean


def test_cancel_ends_the_whole_tree_as_killed(node: Node) -> None:
    post = node.signpost()
    order = node.launch(shell_command=stray(post.path) + " sleep 300")
    grandchild = int(post.wait())

    node.client.cancel(order["run_id"])
    end = node.event("finished", order["run_id"])

    assert (end["cause"], end["term_signal"]) == ("killed", signal.SIGTERM)
    assert not is_alive(grandchild)


def test_sigterm_to_a_supervisor_ends_its_tree_as_killed(node: Node) -> None:
    order = node.launch(shell_command="sleep 300")
    os.kill(node.event("started", order["run_id"])["supervisor_pid"], signal.SIGTERM)

    end = node.event("finished", order["run_id"])
    assert end["cause"] == "killed"
    assert end["duration"] < 4
    assert node.shell("exit 3")["exit_code"] == 3


def test_sigint_and_sighup_touch_no_supervisor(node: Node) -> None:
    post = node.signpost()
    order = node.launch(shell_command=f"read x < {post.path}; exit 4")
    supervisor = node.event("started", order["run_id"])["supervisor_pid"]
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(supervisor, number)
        os.kill(node.runner_pid, number)
    os.write(os.open(post.path, os.O_RDWR | os.O_NONBLOCK), b"go\n")

    assert node.event("finished", order["run_id"])["exit_code"] == 4


@pytest.mark.slow
def test_time_and_memory_come_from_the_kernel(node: Node) -> None:
    work = "b = bytearray(60_000_000)\nimport time\nwhile time.process_time() < 0.2: pass\n"
    end = node.finish(script=str(node.script(f"#!{PYTHON}\n{work}")))

    assert end["memory_peak_bytes"] > 60_000_000
    assert 0.2 <= end["cpu_seconds"] < 5


@pytest.mark.slow
def test_cpu_seconds_count_descendants_that_were_left_to_init(node: Node) -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    post = node.signpost()
    end = node.shell(f"(({PYTHON} -c '{burn}'; echo done > {post.path}) &) ; read x < {post.path}")

    assert end["cpu_seconds"] >= 0.3


@pytest.mark.slow
def test_a_tree_over_its_memory_limit_is_ended_as_oom(node: Node) -> None:
    hog = "import sys\nblocks = []\nwhile True: blocks.append(bytearray(1_000_000))\n"
    end = node.shell(f"{PYTHON} -c '{hog}'; echo survived", limits={"memory_bytes": 100_000_000, "output_bytes": 1000})

    assert (end["cause"], end["term_signal"]) == ("oom", signal.SIGKILL)
    assert end["stdout_bytes"] == 0


@pytest.mark.slow
def test_cpu_limit_ends_with_its_own_signal(node: Node) -> None:
    end = node.shell("while :; do :; done", limits={"cpu_seconds": 1, "output_bytes": 1000})

    assert (end["cause"], end["term_signal"]) == ("exited", signal.SIGXCPU)


def test_limits_and_nice_are_set(node: Node) -> None:
    printed = node.printed("ulimit -n; nice", limits={"open_files": 77, "output_bytes": 1000}, nice=5)

    assert printed.split() == ["77", "5"]


def test_hard_limits_are_set_as_well_and_the_supervisor_keeps_none_of_them(node: Node) -> None:
    limits = {"open_files": 77, "cpu_seconds": 9, "output_bytes": 1000}
    order = node.launch(shell_command="sleep 0.2; ulimit -Hn; ulimit -Ht; ulimit -Sn; ulimit -St", limits=limits)
    supervisor = node.event("started", order["run_id"])["supervisor_pid"]
    node.event("finished", order["run_id"])

    printed = b"".join(chunk.data for chunk in OutputReader(order["output_path"]).read("stdout"))
    assert printed.split() == [b"77", b"14", b"77", b"9"]
    assert resource.prlimit(supervisor, resource.RLIMIT_CPU)[0] == resource.RLIM_INFINITY
    assert resource.prlimit(supervisor, resource.RLIMIT_NOFILE)[0] == 1024


def test_without_a_limit_open_files_are_what_programs_expect(node: Node) -> None:
    assert node.printed("ulimit -n").strip() == "1024"


def test_a_limit_that_cannot_be_kept_is_said(node: Node) -> None:
    order = node.launch(shell_command="sleep 0.1", limits={"processes": 5, "output_bytes": 1000})

    assert "5 processes" in node.event("started", order["run_id"])["unkept_limits"][0]


@pytest.mark.slow
def test_a_fork_storm_is_ended_to_the_last_process(node: Node) -> None:
    storm = textwrap.dedent(f"""\
        #!{PYTHON}
        import os, time
        for _ in range(40):
            if os.fork() == 0:
                os.setsid()
                end = time.monotonic() + 30
                while time.monotonic() < end:
                    if os.fork() != 0:
                        os._exit(0)
                os._exit(0)
        time.sleep(30)
        """)
    end = node.finish(script=str(node.script(storm)), timeout_seconds=0.3, kill_grace_seconds=0.2)

    assert end["cause"] == "timeout"
    assert end["unkillable"] == []
    mark = f"SMART_CRON_RUN_ID={end['run_id']}".encode()
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and mark in _environment(pid)]


@pytest.mark.slow
def test_a_frozen_supervisor_is_killed_when_its_run_is_long_overdue(make_node: Callable[[str], Node]) -> None:
    node = make_node("watched").start_in_foreground(pool_FROZEN_SECONDS=0.1, runner_HOUSEKEEPING_SECONDS=0.1)
    order = node.launch(shell_command="sleep 300", timeout_seconds=1, kill_grace_seconds=0)
    started = node.event("started", order["run_id"])

    os.kill(started["supervisor_pid"], signal.SIGSTOP)
    end = node.event("finished", order["run_id"])

    assert end["cause"] == "timeout"
    assert "its supervisor had stopped answering" in end["reason"]
    assert not is_alive(started["pid"])


def test_a_finished_record_is_whole_json_of_every_field(node: Node) -> None:
    end = node.shell("true")

    assert json.loads(json.dumps(end)) == end
    assert {"started_at", "completed_at", "duration", "output_sha256", "unkillable"} <= end.keys()


def _environment(pid: str) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read()
    except OSError:
        return b""
