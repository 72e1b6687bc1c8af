"""The demo, whole, its master killed on the way."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import pytest
from tests.process.cli import Console

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Finished:
    """A demo that is over: what it printed after its master was killed, and that master's pid."""

    console: Console
    code: int
    out: str
    killed: int


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    console = Console(tmp_path_factory.mktemp("d") / "demo")
    try:
        yield _demo_with_a_killed_master(console)
    finally:
        console.close()


def _demo_with_a_killed_master(console: Console) -> Finished:
    demo = console.start("demo", "--home", str(console.home))
    assert demo.stdout is not None
    pid = int(_read_until(demo.stdout, rb"The master is process (\d+)")[1])
    _read_until(demo.stdout, rb"supplier-feed.*running")
    os.kill(pid, signal.SIGKILL)
    rest, err = demo.communicate(timeout=120)
    assert err == b""
    return Finished(console, demo.returncode, rest.decode(), pid)


def _read_until(stream: IO[bytes], pattern: bytes) -> re.Match[bytes]:
    said = []
    while line := stream.readline():
        said.append(line)
        if found := re.search(pattern, line):
            return found
    raise AssertionError(f"the demo ended without {pattern!r}: {b''.join(said).decode()}")


def test_kill_minus_9_of_the_master_changes_nothing_in_the_result(finished: Finished) -> None:
    assert finished.code == 0, finished.out
    assert "ended by signal 9 (SIGKILL); its tasks go on" in finished.out
    assert "All ended as their scripts intend." in finished.out


def test_the_demo_ends_with_a_table_and_three_commands(finished: Finished) -> None:
    rows = {words[0]: words[1:] for line in finished.out.splitlines() if len(words := line.split()) > 4}

    assert rows["backup"][:3] == ["success", "1", "0"]
    assert rows["invoices"][:3] == ["success", "2", "0"]
    assert rows["supplier-feed"][:3] == ["timeout", "1", "124"]
    assert "(ended)" in rows["image-worker"]
    assert finished.out.count("SMART_CRON_HOME=") == 3


def test_the_demo_leaves_no_master_and_no_enabled_task(finished: Finished) -> None:
    tasks = json.loads(finished.console.sure("task", "list", "--json"))

    assert len(tasks) == 6
    assert not any(task["enabled"] for task in tasks)
    assert b"No master runs" in finished.console.call("task", "run", "backup").stderr
    finished.console.sure("run", "kill", str(json.loads(finished.console.sure("run", "list", "--json"))[0]["id"]))


def test_the_demo_can_be_run_again_in_its_folder(finished: Finished) -> None:
    done = finished.console.call("demo", "--home", str(finished.console.home), "--json")

    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["as_intended"] is True
