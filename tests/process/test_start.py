"""What a task finds when it starts, and how a start fails."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.process.conftest import Node

PYTHON = "/usr/bin/python3"
IDENTITY = ("Uid", "Gid", "Groups", "CapEff", "CapPrm", "CapAmb")


def test_a_task_starts_with_exactly_the_environment_it_was_given(node: Node) -> None:
    printed = node.printed("/usr/bin/env", environment={"PATH": "/bin:/usr/bin", "COLOUR": "blé"})

    assert set(printed.splitlines()) - {"_=/usr/bin/env", "PWD=/"} == {"PATH=/bin:/usr/bin", "COLOUR=blé"}


def test_a_supervisor_is_itself_again_after_it_started_a_task_of_another_user(node: Node) -> None:
    order = node.launch(shell_command="sleep 0.2", run_as="nobody", working_directory="/usr", nice=3)
    if os.geteuid() != 0:
        assert node.event("finished", order["run_id"])["cause"] == "start_failed"
        return
    supervisor = node.event("started", order["run_id"])["supervisor_pid"]
    status, runners = (
        [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(IDENTITY)]
        for pid in (supervisor, node.runner_pid)
    )

    assert status == runners
    assert os.readlink(f"/proc/{supervisor}/cwd") == "/"
    assert os.getpriority(os.PRIO_PROCESS, supervisor) == 0


def test_a_start_that_failed_leaves_no_working_directory_behind(node: Node) -> None:
    lost = node.script("#!/no/such/interpreter\n")
    assert node.finish(script=str(lost), working_directory="/usr/share")["cause"] == "start_failed"

    assert node.printed("pwd; umask").split() == ["/", "0022"]


def test_an_order_whose_supervisor_died_before_the_start_is_given_to_another(node: Node) -> None:
    frozen = [pid for pid in node.processes() if pid != node.runner_pid]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    order = node.launch(shell_command="exit 6")
    assert node.client.running() == [order["run_id"]]

    for pid in frozen:
        os.kill(pid, signal.SIGKILL)

    assert node.event("finished", order["run_id"])["exit_code"] == 6


def test_a_runner_in_the_foreground_stays_its_starters_child_and_works(make_node: Callable[[str], Node]) -> None:
    node = make_node("foreground").start_in_foreground()

    assert node.foreground is not None
    assert node.runner_pid == node.foreground.pid
    assert node.shell("exit 4")["exit_code"] == 4
    os.kill(node.runner_pid, signal.SIGTERM)
    assert node.foreground.wait(20) == 0


@pytest.mark.slow
def test_supervisors_that_have_nothing_to_do_go_home_but_for_two(make_node: Callable[[str], Node]) -> None:
    node = make_node("idle").start_in_foreground(pool_IDLE_SECONDS=0.1, runner_HOUSEKEEPING_SECONDS=0.1)
    post = node.signpost()
    orders = [node.launch(shell_command=f"read x < {post.path}") for _ in range(5)]
    busy = {node.event("started", order["run_id"])["supervisor_pid"] for order in orders}
    os.write(os.open(post.path, os.O_RDWR | os.O_NONBLOCK), b"go\n" * 5)
    for order in orders:
        node.event("finished", order["run_id"])

    deadline = time.monotonic() + 10
    while len(set(node.processes()) & busy) > 2 and time.monotonic() < deadline:
        select.poll().poll(20)

    assert len(set(node.processes()) & busy) == 2


def test_working_directory_and_umask_are_the_tasks_own(node: Node) -> None:
    assert node.printed("pwd; umask", working_directory="/usr/share", umask=0o077).split() == ["/usr/share", "0077"]
    assert node.printed("pwd; umask").split() == ["/", "0022"]


@pytest.mark.parametrize(("home", "directory"), [("/usr/share", "/usr/share"), ("/nonexistent", "/"), ("usr", "/")])
def test_a_task_starts_in_its_home_as_under_cron_and_in_the_root_where_there_is_none(
    node: Node, home: str, directory: str
) -> None:
    assert node.printed("pwd", environment={"PATH": "/usr/bin:/bin", "HOME": home}) == f"{directory}\n"


def test_a_command_is_run_by_the_shell_as_cron_does(node: Node) -> None:
    assert node.printed("echo one && echo two | tr t T") == "one\nTwo\n"


def test_stdin_text_is_read_and_ends(node: Node) -> None:
    assert node.printed("cat", stdin="line one\nline two") == "line one\nline two"


def test_a_task_that_never_reads_its_stdin_ends_all_the_same(node: Node) -> None:
    assert node.shell("exit 0", stdin="x" * 1_000_000)["exit_code"] == 0


@pytest.mark.slow
def test_an_order_of_many_megabytes_is_carried_out(node: Node) -> None:
    assert node.printed("wc -c", stdin="é" * 2_000_000).strip() == "4000000"


@pytest.mark.parametrize("limits", [{}, {"open_files": 64}])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shell_command": "true", "working_directory": "/no/such/place"}, "/no/such/place: No such file"),
        ({"shell_command": "true", "run_as": "no-such-user"}, "no user 'no-such-user'"),
        ({"shell_command": "a\0b"}, "NUL"),
        ({"shell_command": "true", "environment": {"A": "b\0c"}}, "NUL"),
        ({"script": "/bin/true", "arguments": ["a\0"]}, "NUL"),
        ({"script": "bin/true"}, "not an absolute path"),
        ({"script": "/no/such/script"}, "does not exist"),
        ({"script": "/usr/bin"}, "is a directory"),
        ({"script": "/dev/null"}, "is a device"),
    ],
)
def test_a_start_that_fails_says_why(
    node: Node, changes: dict[str, object], words: str, limits: dict[str, int]
) -> None:
    end = node.finish(**changes, limits={"output_bytes": 1000, **limits})

    assert end["cause"] == "start_failed"
    assert words in end["reason"]
    assert end["exit_code"] is None


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may run a task as another user")
def test_limits_of_a_task_of_another_user_are_in_force_in_every_run(node: Node) -> None:
    limits = {"output_bytes": 1000, "open_files": 50, "cpu_seconds": 5}
    # The soft ones are there from the first instruction. The hard ones come with the supervisor's next turn.
    command = """ulimit -Sn; ulimit -St; n=0
        while [ "$(ulimit -Hn) $(ulimit -Ht)" != "50 10" ] && [ $n -lt 500 ]; do n=$((n+1)); sleep 0.01; done
        ulimit -Sn; ulimit -Hn; ulimit -St; ulimit -Ht"""

    orders = [node.order(shell_command=command, run_as="nobody", limits=limits) for _ in range(60)]
    for batch in (orders[:30], orders[30:]):
        node.client.launch(batch)
        for order in batch:
            assert _output(node, node.event("finished", order["run_id"])).split() == b"50 5 50 50 5 10".split()


@pytest.mark.parametrize("files", [5, 12, 30])
def test_a_limit_is_kept_that_lies_below_what_a_supervisor_itself_may_have_open(node: Node, files: int) -> None:
    assert node.printed("ulimit -Sn", limits={"output_bytes": 1000, "open_files": files}).split() == [str(files)]


def test_exec_failure_is_told_apart_from_exit_127(node: Node) -> None:
    lost = node.script("#!/no/such/interpreter\n")

    assert node.shell("exit 127")["exit_code"] == 127
    assert node.shell("no-such-command")["exit_code"] == 127
    end = node.finish(script=str(lost))
    assert (end["cause"], end["exit_code"]) == ("start_failed", None)
    assert "interpreter" in end["reason"]


def test_a_script_deleted_between_claim_and_start_is_a_start_failure(node: Node) -> None:
    script = node.script("#!/bin/sh\n")
    order = node.order(script=str(script))
    script.unlink()

    node.client.launch([order])

    assert node.event("finished", order["run_id"])["cause"] == "start_failed"


def test_scripts_without_a_shebang_are_run_by_their_ending(node: Node) -> None:
    assert _printed_by(node, script=str(node.script("print(6 * 7)\n", name="a.py", mode=0o644))) == "42\n"
    assert _printed_by(node, script=str(node.script("echo $1\n", name="a.sh", mode=0o644)), arguments=["x"]) == "x\n"
    end = node.finish(script=str(node.script("junk\n", name="a.xyz")))
    assert ".php" in end["reason"]


def test_a_python_task_is_not_run_by_a_shim(node: Node) -> None:
    node.script("#!/bin/sh\necho shim\n", name="python3")
    task = node.script("print('genuine')\n", name="a.py", mode=0o644)
    path = f"{task.parent}:/usr/bin"

    assert _printed_by(node, script=str(task), environment={"PATH": path}) == "genuine\n"


def test_strict_sandbox_takes_privileges_away(node: Node) -> None:
    status = node.printed("grep -E '^(NoNewPrivs|CapEff)' /proc/self/status", sandbox="strict")

    assert dict(line.split() for line in status.splitlines()) == {"NoNewPrivs:": "1", "CapEff:": "0" * 16}


def _printed_by(node: Node, **changes: object) -> str:
    return _output(node, node.finish(**changes)).decode()


def _output(node: Node, end: dict[str, object]) -> bytes:
    from smart_cron.taskrunner.reading import OutputReader

    assert end["cause"] == "exited", end
    return b"".join(chunk.data for chunk in OutputReader(str(end["output_path"])).read("stdout"))
