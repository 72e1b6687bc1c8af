"""SIGSTOP to the processes of ours: whoever no longer answers is replaced, and no run is harmed by it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fault.containment.conftest import Fighter, Neighbour
from tests.process.cli import Console, wait_until
from tests.process.conftest import DEADLINE, Node, is_alive, wait_until_gone
from tests.process.test_deaths import wait_for_finish

from smart_cron.config import load_config
from smart_cron.taskrunner import client, pool
from smart_cron.taskrunner.client import RunnerUnavailable
from smart_cron.wiring import prepare

pytestmark = pytest.mark.slow

SOON = 0.5
OVERRAN = "Ran longer than its timeout, and its supervisor had stopped answering: the task runner ended both"
ANSWERS = "client.REPLY_SECONDS = client.SILENCE_SECONDS = 0.5"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits for half a second where it would for ten."""
    monkeypatch.setattr(client, "REPLY_SECONDS", SOON)
    monkeypatch.setattr(client, "SILENCE_SECONDS", SOON)


def launch_as_the_engine_does(node: Node, **changes: Any) -> dict[str, Any]:
    """Hand an order over, and again after a task runner was lost, and return how its run ended."""
    order = node.order(**changes)
    deadline = time.monotonic() + DEADLINE
    while True:
        assert time.monotonic() < deadline, node.events
        try:
            node.client.launch([order])
            return node.event("finished", order["run_id"])
        except RunnerUnavailable:
            continue


def test_a_frozen_task_runner_is_replaced_when_it_says_nothing_of_an_order(node: Node, impatient: None) -> None:
    frozen = node.runner_pid
    os.kill(frozen, signal.SIGSTOP)

    end = launch_as_the_engine_does(node, shell_command="exit 3")

    assert (end["cause"], end["exit_code"]) == ("exited", 3)
    assert not is_alive(frozen)
    assert node.runner_pid != frozen


def test_a_run_outlives_the_replacement_of_its_frozen_task_runner(node: Node, impatient: None) -> None:
    post = node.signpost()
    order = node.launch(shell_command=f"echo before; read x < {post.path}; echo after; exit 6")
    started = node.event("started", order["run_id"])
    os.kill(node.runner_pid, signal.SIGSTOP)

    launch_as_the_engine_does(node, shell_command="true")
    Path(post.path).write_text("go\n", encoding="ascii")
    end = wait_for_finish(node, order["run_id"])

    assert (end["cause"], end["exit_code"], end["stdout_bytes"]) == ("exited", 6, len("before\nafter\n"))
    wait_until_gone(started["supervisor_pid"])


def test_an_order_that_the_frozen_one_had_passed_on_is_not_started_again(node: Node, impatient: None) -> None:
    count = node.base / "count"
    order = node.launch(shell_command=f"echo x >> {count}; sleep 300")
    node.event("started", order["run_id"])
    os.kill(node.runner_pid, signal.SIGSTOP)
    launch_as_the_engine_does(node, shell_command="true")

    node.client.launch([order])

    assert node.event("refused", order["run_id"])["code"] == "taken"
    assert count.read_text() == "x\n"


def test_a_new_client_replaces_a_frozen_task_runner(node: Node, impatient: None) -> None:
    frozen = node.runner_pid
    os.kill(frozen, signal.SIGSTOP)
    fresh = node.new_client()

    assert not fresh.connect()
    assert fresh.silent_pid == frozen
    fresh.ensure()

    assert fresh.runner_pid not in (None, frozen)
    assert fresh.silent_pid is None
    assert not is_alive(frozen)
    fresh.close()


def test_looking_at_a_frozen_task_runner_leaves_it_alone(node: Node, impatient: None) -> None:
    os.kill(node.runner_pid, signal.SIGSTOP)
    fresh = node.new_client(start=False)

    assert not fresh.connect()
    fresh.close()

    assert is_alive(node.runner_pid)
    os.kill(node.runner_pid, signal.SIGCONT)
    assert node.shell("exit 2")["exit_code"] == 2


def test_a_task_runner_that_woke_up_in_time_is_kept(node: Node, impatient: None) -> None:
    first = node.runner_pid
    os.kill(first, signal.SIGSTOP)
    fresh = node.new_client()
    assert not fresh.connect()
    os.kill(first, signal.SIGCONT)

    fresh.ensure()

    assert fresh.runner_pid == first
    fresh.close()


def test_silence_without_an_order_is_no_silence(node: Node, impatient: None) -> None:
    first = node.runner_pid
    end = node.shell("sleep 2; exit 5")

    assert end["exit_code"] == 5
    assert node.client.poll(2 * SOON) == []
    assert node.runner_pid == first


def test_a_frozen_supervisor_does_not_keep_its_task_beyond_the_timeout(make_node: Callable[[str], Node]) -> None:
    node = make_node("watched").start_in_foreground(pool_FROZEN_SECONDS=0.5, runner_HOUSEKEEPING_SECONDS=0.1)
    neighbour, fighter = Neighbour(node), Fighter(node)
    order = fighter.launch(
        "deaf(); daemon(lambda: (tell(), for_ever())); tell(); for_ever()", timeout_seconds=3, kill_grace_seconds=0
    )
    supervisor = node.event("started", order["run_id"])["supervisor_pid"]
    fighter.wait_for(2)

    os.kill(supervisor, signal.SIGSTOP)
    end = node.event("finished", order["run_id"])

    assert (end["cause"], end["reason"]) == ("timeout", OVERRAN)
    assert not is_alive(supervisor)
    fighter.assert_gone(order["run_id"])
    neighbour.assert_unharmed()


def test_a_task_that_freezes_its_supervisor_ends_as_well(make_node: Callable[[str], Node]) -> None:
    node = make_node("watched").start_in_foreground(pool_FROZEN_SECONDS=0.5, runner_HOUSEKEEPING_SECONDS=0.1)
    fighter = Fighter(node)

    end = fighter.fight(
        "tell(); os.kill(os.getppid(), signal.SIGSTOP); deaf(); for_ever()", timeout_seconds=3, kill_grace_seconds=0
    )

    assert end["cause"] == "timeout"


def test_what_a_frozen_supervisor_did_not_see_end_is_lost_and_no_timeout(make_node: Callable[[str], Node]) -> None:
    """The task ended in time; how, nobody knows."""
    node = make_node("watched").start_in_foreground(pool_FROZEN_SECONDS=0.5, runner_HOUSEKEEPING_SECONDS=0.1)
    order = node.launch(shell_command="kill -STOP $PPID; sleep 0.3", timeout_seconds=2, kill_grace_seconds=0)

    end = node.event("finished", order["run_id"])

    assert (end["cause"], end["reason"]) == ("lost", "its supervisor had stopped answering")


def test_a_frozen_supervisor_is_given_seconds_beyond_the_grace_and_not_half_a_minute() -> None:
    assert pool.FROZEN_SECONDS <= 10


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    home = tmp_path / "h"
    prepare(load_config({"SMART_CRON_HOME": str(home)}))
    console = Console(home)
    yield console
    console.close()


def test_the_master_replaces_a_frozen_task_runner(console: Console) -> None:
    """An order that the frozen one took is started by the next one, and a run of before ends as if nothing had been."""
    master = f"from smart_cron.taskrunner import client\n{ANSWERS}\nfrom smart_cron.faces.cli.main import main\nmain()"
    console.started.append(
        subprocess.Popen(
            [sys.executable, "-c", master, "master"],
            env=console.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    )
    go = console.home / "go"
    console.add("before", f"while [ ! -e {go} ]; do sleep 0.05; done; exit 4")
    console.add("after", "exit 5")
    console.sure("task", "run", "before")
    wait_until(lambda: _row(console, 1).get("status") == "running", "the run of before")
    (runner,) = (finding for finding in _findings(console) if finding["subject"] == "task runner")
    frozen = int(runner["sentence"].rpartition(" ")[2].rstrip(")."))
    os.kill(frozen, signal.SIGSTOP)

    console.sure("task", "run", "after")
    wait_until(lambda: _row(console, 2).get("status") == "failed", "the run of after")
    go.touch()
    wait_until(lambda: _row(console, 1).get("status") == "failed", "the end of the run of before")

    assert (_row(console, 2)["exit_code"], _row(console, 1)["exit_code"]) == (5, 4)
    assert not is_alive(frozen)


def _row(console: Console, number: int) -> dict[str, Any]:
    done = console.call("run", "show", str(number), "--json")
    return dict(json.loads(done.stdout)) if done.returncode == 0 else {}


def _findings(console: Console) -> list[dict[str, str]]:
    return list(json.loads(console.call("doctor", "--json").stdout)["findings"])
