"""Runs by hand, seen through, followed, ended: real tasks under the real task runner."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.process.cli import DEADLINE_SECONDS, Console, wait_until

from smart_cron.config import load_config
from smart_cron.wiring import prepare

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("p")
    prepare(load_config({"SMART_CRON_HOME": str(path)}))
    return path


@pytest.fixture
def console(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    home = tmp_path_factory.mktemp("c") / "h"
    shutil.copytree(prepared, home)
    console = Console(home)
    yield console
    console.close()


def _row(console: Console, number: int = 1) -> dict[str, object]:
    row: dict[str, object] = json.loads(console.sure("run", "show", str(number), "--json"))
    return row


def test_a_run_waited_for_streams_both_streams_and_ends_with_the_tasks_code(console: Console) -> None:
    console.add("mixed", "echo out; echo err >&2; exit 7")

    done = console.call("task", "run", "mixed", "--wait")

    assert done.returncode == 7
    assert done.stdout == b"out\n"
    assert done.stderr.startswith(b"err\nRun 1: failed after ")
    assert _row(console)["status"] == "failed"


def test_output_comes_byte_for_byte(console: Console) -> None:
    console.add("binary", r"printf '\377\000\033[31mx\r\n'")

    assert console.call("task", "run", "binary", "--wait").stdout == b"\xff\0\x1b[31mx\r\n"
    assert console.sure("run", "logs", "1") == b"\xff\0\x1b[31mx\r\n"
    assert b"\x1b" not in console.sure("run", "show", "1")


def test_output_is_printed_while_the_run_goes_on(console: Console, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    console.add("slow", f"echo first; while [ ! -e {gate} ]; do sleep 0.02; done; echo second")

    waiting = console.start("task", "run", "slow", "--wait")
    assert waiting.stdout is not None
    first = waiting.stdout.read(6)
    gate.touch()
    rest, _ = waiting.communicate(timeout=DEADLINE_SECONDS)

    assert (first, rest, waiting.returncode) == (b"first\n", b"second\n", 0)


def test_arguments_after_two_dashes_reach_the_script(console: Console, tmp_path: Path) -> None:
    script = tmp_path / "echo.sh"
    script.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    script.chmod(0o755)
    tmp_path.chmod(0o755)
    console.sure("task", "add", "args", "--script", str(script), "--schedule", "@daily", "--arg", "own")

    assert console.sure("task", "run", "args", "--wait") == b"own|"
    assert console.sure("task", "run", "args", "--wait", "--", "--month", "a b") == b"--month|a b|"
    assert console.sure("run", "retry", "2", "--wait") == b"--month|a b|"


def test_what_never_started_ends_with_125(console: Console, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    console.add("lost", "true", "--working-directory", str(folder))
    folder.rmdir()

    done = console.call("task", "run", "lost", "--wait")

    assert done.returncode == 125
    assert b"start_failed" in done.stderr


def test_a_timeout_ends_with_124(console: Console) -> None:
    console.add("hangs", "sleep 600", "--timeout", "1", "--kill-grace", "1")

    done = console.call("task", "run", "hangs", "--wait")

    assert done.returncode == 124
    assert b"timeout" in done.stderr


def test_a_run_waited_for_is_taken_over_where_its_master_dies_before_the_start(console: Console) -> None:
    console.add("mixed", "echo out")
    master = console.start_master()
    master.send_signal(signal.SIGSTOP)
    waiting = console.start("task", "run", "mixed", "--wait")
    wait_until(lambda: b"mixed" in console.sure("run", "list"), "the run that the master does not see")

    master.kill()

    out, _ = waiting.communicate(timeout=DEADLINE_SECONDS)
    assert (out, waiting.returncode) == (b"out\n", 0)


def test_a_run_waited_for_is_left_to_the_master_where_one_works(console: Console) -> None:
    console.add("mixed", "echo out; echo err >&2; exit 7")
    master = console.start_master()

    done = console.call("task", "run", "mixed", "--wait")

    assert (done.returncode, done.stdout) == (7, b"out\n")
    assert master.poll() is None


def test_ctrl_c_leaves_the_run_going_and_says_how_to_end_it(console: Console, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    console.add("slow", f"echo up; while [ ! -e {gate} ]; do sleep 0.02; done; echo end")

    waiting = console.start("task", "run", "slow", "--wait")
    assert waiting.stdout is not None
    assert waiting.stdout.read(3) == b"up\n"
    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=DEADLINE_SECONDS)

    assert waiting.returncode == 130
    assert err.startswith(b"\nRun 1 goes on")  # on a line of its own, below the terminal's ^C
    assert b"run kill 1" in err
    gate.touch()
    console.sure("master", "--once")
    assert _row(console)["status"] == "success"
    assert console.sure("run", "logs", "1") == b"up\nend\n"


def test_a_live_run_is_followed_to_its_end(console: Console, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    console.add("slow", f"echo first; while [ ! -e {gate} ]; do sleep 0.02; done; echo second >&2")
    console.start_master()
    console.sure("task", "run", "slow")

    following = console.start("run", "logs", "-f", "1")
    assert following.stdout is not None
    assert following.stdout.read(6) == b"first\n"
    gate.touch()

    assert following.communicate(timeout=DEADLINE_SECONDS)[0] == b"second\n"
    assert console.sure("run", "logs", "1", "--stderr") == b"second\n"
    assert console.sure("run", "logs", "1", "--stdout", "--json").count(b"\n") == 1


def test_a_running_run_is_ended_on_request(console: Console) -> None:
    console.add("slow", "echo up; sleep 600", "--kill-grace", "1")
    console.start_master()
    console.sure("task", "run", "slow")
    wait_until(lambda: _row(console)["status"] == "running", "the run's start")

    assert b"is being ended" in console.sure("run", "kill", "1")

    wait_until(lambda: _row(console)["status"] == "killed", "the run's end")
    assert _row(console)["error_type"] == "cancelled"


def test_one_pass_runs_what_is_due_and_says_so_in_json(console: Console) -> None:
    console.add("due", "true")
    console.sure("task", "edit", "due", "--next-run-at", "2020-01-01 00:00")

    assert json.loads(console.sure("master", "--once", "--json"))["started"] == 1
    assert console.sure("master", "--once") == b""
    assert b"success" in console.sure("task", "list")


def test_a_second_master_is_refused_and_a_pass_is_left_to_the_first(console: Console) -> None:
    console.start_master()

    second = console.call("master")

    assert second.returncode == 1
    assert b"works for node" in second.stderr
    passed = console.call("master", "--once")
    assert passed.returncode == 0
    assert b"left to it" in passed.stderr
