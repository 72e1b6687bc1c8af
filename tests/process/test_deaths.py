"""Any one process may die: the runner, a supervisor, the client, at any instant."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.process.conftest import DEADLINE, Node, is_alive, wait_until_gone
from tests.process.test_end import stray

from smart_cron.taskrunner import protocol, records, runfile


def wait_for_finish(node: Node, run_id: str) -> dict[str, object]:
    """Wait for the result in the run file: the lock goes when its supervisor is done."""
    found = runfile.read(node.runs, run_id)
    assert found is not None
    assert found.started is not None
    wait_until_unlocked(node, run_id)
    settled = runfile.settle(node.runs, run_id, 7)
    assert settled is not None
    return settled


def wait_until_unlocked(node: Node, run_id: str) -> None:
    deadline = time.monotonic() + DEADLINE
    pause = select.poll()
    while (found := runfile.read(node.runs, run_id)) is not None and found.locked:
        assert time.monotonic() < deadline
        pause.poll(5)


def wait_until_no_socket(node: Node) -> None:
    deadline = time.monotonic() + DEADLINE
    while list(node.run_dir.iterdir()):
        assert time.monotonic() < deadline
        select.poll().poll(5)


def test_a_run_outlives_the_runner_and_keeps_its_result_and_output(node: Node) -> None:
    post = node.signpost()
    order = node.launch(shell_command=f"echo before; read x < {post.path}; echo after; exit 6")
    supervisor = node.event("started", order["run_id"])["supervisor_pid"]

    os.kill(node.runner_pid, signal.SIGKILL)
    wait_until_gone(node.runner_pid)
    os.write(os.open(post.path, os.O_RDWR | os.O_NONBLOCK), b"go\n")
    end = wait_for_finish(node, order["run_id"])

    assert (end["cause"], end["exit_code"], end["stdout_bytes"]) == ("exited", 6, len("before\nafter\n"))
    wait_until_gone(supervisor)


def test_a_new_runner_takes_the_place_of_a_killed_one(node: Node) -> None:
    first = node.runner_pid
    os.kill(first, signal.SIGKILL)
    wait_until_gone(first)

    assert node.shell("exit 2")["exit_code"] == 2
    assert node.runner_pid != first


def test_idle_supervisors_end_with_their_runner(node: Node) -> None:
    node.shell("true")
    supervisors = [pid for pid in node.processes() if pid != node.runner_pid]
    os.kill(node.runner_pid, signal.SIGKILL)

    for pid in supervisors:
        wait_until_gone(pid)


def test_an_order_given_twice_over_a_lost_runner_starts_once(node: Node) -> None:
    count = node.base / "count"
    order = node.order(shell_command=f"echo x >> {count}; sleep 300")
    node.client.launch([order])
    node.event("started", order["run_id"])
    os.kill(node.runner_pid, signal.SIGKILL)
    wait_until_gone(node.runner_pid)

    node.client.launch([order])

    assert node.event("refused", order["run_id"])["code"] == "taken"
    assert count.read_text() == "x\n"


def test_a_killed_supervisor_loses_its_run_and_nothing_of_it_lives(node: Node) -> None:
    post = node.signpost()
    order = node.launch(shell_command=stray(post.path) + " echo out; sleep 300")
    grandchild = int(post.wait())
    started = node.event("started", order["run_id"])

    os.kill(started["supervisor_pid"], signal.SIGKILL)
    end = node.event("finished", order["run_id"])

    assert (end["cause"], end["exit_code"], end["term_signal"]) == ("lost", None, None)
    assert "supervisor was killed" in end["reason"]
    assert not is_alive(grandchild)
    assert not is_alive(started["pid"])
    assert runfile.settle(node.runs, order["run_id"], 7) == end


def test_a_lost_run_harms_no_other(node: Node) -> None:
    post = node.signpost()
    other = node.launch(shell_command=f"read x < {post.path}; exit 5")
    lost = node.launch(shell_command="sleep 300")
    node.event("started", other["run_id"])
    os.kill(node.event("started", lost["run_id"])["supervisor_pid"], signal.SIGKILL)
    node.event("finished", lost["run_id"])
    os.write(os.open(post.path, os.O_RDWR | os.O_NONBLOCK), b"go\n")

    assert node.event("finished", other["run_id"])["exit_code"] == 5


def test_a_killed_idle_supervisor_is_replaced(node: Node) -> None:
    for pid in node.processes():
        if pid != node.runner_pid:
            os.kill(pid, signal.SIGKILL)

    assert node.shell("exit 8")["exit_code"] == 8


@pytest.mark.slow
def test_a_frozen_idle_supervisor_starts_nothing_after_the_deadline(node: Node) -> None:
    frozen = [pid for pid in node.processes() if pid != node.runner_pid]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    marker = node.base / "ran"
    order = node.launch(shell_command=f"touch {marker}", launch_deadline=time.clock_gettime(time.CLOCK_BOOTTIME) + 0.1)
    select.poll().poll(150)
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)

    assert node.event("refused", order["run_id"])["code"] == "deadline"
    assert not marker.exists()


@pytest.mark.slow
def test_strays_of_a_run_that_lost_runner_and_supervisor_are_found_by_its_marks(node: Node) -> None:
    post = node.signpost()
    order = node.launch(shell_command=f"(setsid sh -c 'echo $$ > {post.path}; exec sleep 300' &) ; sleep 300")
    stray_pid = int(post.wait())
    started = node.event("started", order["run_id"])
    os.kill(node.runner_pid, signal.SIGKILL)
    os.kill(started["supervisor_pid"], signal.SIGKILL)
    wait_until_gone(started["supervisor_pid"])

    end = runfile.settle(node.runs, order["run_id"], 7)

    assert end is not None
    assert end["cause"] == "lost"
    assert not is_alive(stray_pid)
    assert not is_alive(started["pid"])
    assert f"{stray_pid}:sleep" in end["leftovers"]


def test_nobody_starts_a_run_that_was_settled_without_a_file(node: Node) -> None:
    marker = node.base / "ran"
    order = node.order(shell_command=f"touch {marker}")

    settled = runfile.settle(node.runs, order["run_id"], 7)
    node.client.launch([order])

    assert settled is not None
    assert settled["cause"] == "never_started"
    assert node.event("refused", order["run_id"])["code"] == "taken"
    assert not marker.exists()


def test_a_run_that_lives_is_not_settled(node: Node) -> None:
    order = node.launch(shell_command="sleep 300")
    node.event("started", order["run_id"])

    assert runfile.settle(node.runs, order["run_id"], 7) is None
    found = runfile.read(node.runs, order["run_id"])
    assert found is not None
    assert found.locked


def test_a_claim_of_before_a_reboot_is_lost_and_not_missed(node: Node) -> None:
    settled = runfile.settle(node.runs, "0-1-2", 7, claimed_in="another-boot:x")

    assert settled is not None
    assert settled["cause"] == "lost"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"incarnation": "other:1"}, "incarnation"),
        ({"launch_deadline": 1.0}, "deadline"),
        ({"run_id": "../../etc/passwd"}, "invalid"),
        ({"run_id": "a/b"}, "invalid"),
        ({"timeout_seconds": None}, "invalid"),
    ],
)
def test_what_may_not_start_is_refused(node: Node, changes: dict[str, object], code: str) -> None:
    order = node.order(shell_command="exit 0", output_path=str(node.base / "o"))
    order.update(changes)
    node.client.launch([order])

    assert node.event("refused", order["run_id"])["code"] == code


def test_a_known_run_id_is_refused_while_it_runs_and_after(node: Node) -> None:
    order = node.launch(shell_command="sleep 0.1")
    node.client.launch([order])
    assert node.event("refused", order["run_id"])["code"] == "taken"
    node.event("finished", order["run_id"])
    node.events.clear()
    node.client.launch([order])

    assert node.event("refused", order["run_id"])["code"] == "taken"


@pytest.mark.slow
def test_spent_files_become_new_ones_only_after_their_deadline(node: Node) -> None:
    spent = node.finish(shell_command="exit 1", launch_deadline=time.clock_gettime(time.CLOCK_BOOTTIME) + 0.5)
    fresh = node.finish(shell_command="exit 1")
    node.client.release([spent["run_id"], fresh["run_id"]])
    select.poll().poll(600)
    inode = (node.runs / spent["run_id"]).stat().st_ino

    end = node.shell("exit 3")

    assert (node.runs / end["run_id"]).stat().st_ino == inode
    assert not (node.runs / spent["run_id"]).exists()
    assert (node.runs / fresh["run_id"]).exists()
    found = runfile.read(node.runs, end["run_id"])
    assert found is not None
    assert found.finished == end


@pytest.mark.slow
def test_a_recycled_file_shows_nothing_of_its_former_run(node: Node) -> None:
    long = node.finish(shell_command="exit 1", launch_deadline=time.clock_gettime(time.CLOCK_BOOTTIME) + 0.5)
    node.client.release([long["run_id"]])
    select.poll().poll(600)
    order = node.launch(shell_command="sleep 300")
    node.event("started", order["run_id"])

    found = runfile.read(node.runs, order["run_id"])

    assert found is not None
    assert found.started is not None
    assert found.finished is None


def test_files_get_their_names_back_after_a_power_cut_undid_a_rename(tmp_path: Path) -> None:
    runs = str(tmp_path)
    held = records.take(runs, "new-run")
    body = records.fit({"event": "started", "run_id": "new-run", "boot_id": "earlier", "leftovers": []}, 900)
    held.append(body)
    held.close()
    (tmp_path / "new-run").rename(tmp_path / "old-run")

    assert runfile.read(runs, "old-run").started is None  # type: ignore[union-attr]
    assert records.straighten_names(runs, boot_id="now") == ["new-run"]
    assert runfile.read(runs, "new-run").started is not None  # type: ignore[union-attr]


def test_sigterm_to_the_runner_touches_no_run(node: Node) -> None:
    post = node.signpost()
    order = node.launch(shell_command=f"read x < {post.path}; exit 4")
    node.event("started", order["run_id"])
    old = node.runner_pid
    os.kill(old, signal.SIGTERM)
    wait_until_no_socket(node)
    newer = node.shell("exit 1")
    os.write(os.open(post.path, os.O_RDWR | os.O_NONBLOCK), b"go\n")

    assert newer["exit_code"] == 1
    assert node.event("finished", order["run_id"])["exit_code"] == 4
    assert node.runner_pid != old
    wait_until_gone(old)


def test_an_order_that_met_a_stopping_runner_goes_to_the_next(node: Node) -> None:
    post = node.signpost()
    holding = node.launch(shell_command=f"read x < {post.path}; exit 4")
    node.event("started", holding["run_id"])
    os.kill(node.runner_pid, signal.SIGTERM)
    wait_until_no_socket(node)
    # As if sent in the instant before the news came.
    order = node.order(shell_command="exit 9")
    node.client._expecting[order["run_id"]] = order
    node.client._line.socket.sendall(protocol.line({"op": "launch", "order": order}))  # type: ignore[union-attr]

    assert node.event("finished", order["run_id"])["exit_code"] == 9
    os.write(os.open(post.path, os.O_RDWR | os.O_NONBLOCK), b"go\n")


def test_sigterm_to_all_of_us_stops_everything_and_loses_no_record(node: Node) -> None:
    orders = [node.launch(shell_command="sleep 300") for _ in range(3)]
    for order in orders:
        node.event("started", order["run_id"])
    named = [pid for pid in node.processes() if b"smart-cron" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]
    assert sorted(named) == sorted(node.processes())

    for pid in named:
        os.kill(pid, signal.SIGTERM)
    for pid in named:
        wait_until_gone(pid)

    for order in orders:
        found = runfile.read(node.runs, order["run_id"])
        assert found is not None
        assert found.finished is not None
        assert found.finished["cause"] == "killed"


def test_a_cancel_reaches_a_supervisor_of_an_earlier_runner(node: Node) -> None:
    order = node.launch(shell_command="sleep 300")
    node.event("started", order["run_id"])
    os.kill(node.runner_pid, signal.SIGKILL)
    wait_until_gone(node.runner_pid)
    node.client.close()
    node.client = node.new_client()
    node.client.ensure()

    node.client.cancel(order["run_id"])

    assert wait_for_finish(node, order["run_id"])["cause"] == "killed"


def test_the_runner_outlives_the_client_that_started_it_and_a_new_one_finds_it(node: Node) -> None:
    post = node.signpost()
    order = node.launch(shell_command=f"read x < {post.path}; exit 4")
    node.event("started", order["run_id"])
    runner = node.runner_pid
    node.client.close()

    node.client = node.new_client(start=False)
    node.client.ensure()

    assert node.runner_pid == runner
    assert node.client.running() == [order["run_id"]]
    os.write(os.open(post.path, os.O_RDWR | os.O_NONBLOCK), b"go\n")
    assert node.event("finished", order["run_id"])["exit_code"] == 4


@pytest.mark.slow
def test_a_deleted_run_directory_loses_nothing(node: Node) -> None:
    order = node.launch(shell_command="sleep 300")
    node.event("started", order["run_id"])
    for path in node.run_dir.iterdir():
        path.unlink()
    node.run_dir.rmdir()
    runner = node.runner_pid
    node.client.close()

    node.client = node.new_client()
    node.client.ensure()

    assert node.runner_pid == runner
    assert node.client.running() == [order["run_id"]]


@pytest.mark.slow
def test_one_runner_for_a_state_directory_however_many_start_one(make_node: Callable[[str], Node]) -> None:
    node = make_node("raced")
    clients = [node.new_client() for _ in range(4)]
    starters = [subprocess.Popen(client._command(), stdout=subprocess.DEVNULL) for client in clients]
    for starter in starters:
        starter.wait()
    for client in clients:
        client.ensure()

    assert len({client.runner_pid for client in clients}) == 1
    for client in clients:
        client.close()


@pytest.mark.slow
def test_a_runner_that_nobody_needs_ends(make_node: Callable[[str], Node]) -> None:
    node = make_node("idle")
    node.client.close()
    node.client = node.new_client(idle_seconds=0.1)
    node.start()
    runner = node.runner_pid
    node.client.close()

    wait_until_gone(runner)
    node.client = node.new_client()


@pytest.mark.slow
def test_the_runner_has_nothing_of_its_starter(make_node: Callable[[str], Node], tmp_path: Path) -> None:
    node = make_node("inherits")
    code = (
        "import os, resource, signal, sys\n"
        "from pathlib import Path\n"
        "from smart_cron.taskrunner.client import RunnerClient\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "os.umask(0); os.nice(5)\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (100, resource.RLIM_INFINITY))\n"
        "fd = os.open('/etc/passwd', os.O_RDONLY); os.set_inheritable(fd, True)\n"
        f"state, run = Path({str(node.state)!r}), Path({str(node.run_dir)!r})\n"
        "RunnerClient(state_dir=state, run_dir=run, version='test').ensure()\n"
    )
    source = Path(runfile.__file__).parents[2]
    starter = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(source), "SECRET": "canary"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=DEADLINE,
        cwd=tmp_path,
    )
    assert starter.stderr == b""
    assert node.client.connect()
    proc = Path(f"/proc/{node.runner_pid}")
    targets = {os.readlink(fd) for fd in (proc / "fd").iterdir()}

    assert "/etc/passwd" not in targets
    assert {os.readlink(proc / "fd" / fd) for fd in "012"} == {"/dev/null"}
    assert os.readlink(proc / "cwd") == "/"
    assert b"canary" not in (proc / "environ").read_bytes()
    assert "Umask:\t0027" in (proc / "status").read_text()
    assert os.getsid(node.runner_pid) != os.getsid(0)
    # An ignored SIGCHLD would have made the end of a killed task look like success.
    assert node.shell("kill -9 $$")["term_signal"] == signal.SIGKILL
    if os.geteuid() == 0:
        assert node.printed("nice; ulimit -t").split() == ["0", "unlimited"]


def test_a_supervisor_holds_nothing_of_runner_and_siblings(node: Node) -> None:
    orders = [node.launch(shell_command="sleep 300") for _ in range(3)]
    for order in orders:
        pid = node.event("started", order["run_id"])["supervisor_pid"]
        targets = [os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()]
        assert sum(target.startswith("socket:") for target in targets) == 1
        # The presence lock is meant to be held by every supervisor.
        others = {target for target in targets if not target.endswith("/taskrunners.lock")}
        assert not any("epoll" in target or target.endswith(".lock") for target in others)
