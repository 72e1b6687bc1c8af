"""A SQLite database that another process keeps locked: waited for as long as one call may take, and told."""

from __future__ import annotations

import os
import pty
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Call

SRC = str(Path(__file__).parents[3] / "src")


@pytest.fixture
def locked(add: Callable[..., object], home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    add("report")
    monkeypatch.setenv("SMART_CRON_DATABASE__TIMEOUT_SECONDS", "1")
    [path] = home.rglob("smart-cron.db")
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


@pytest.mark.slow
@pytest.mark.usefixtures("locked")
def test_a_locked_database_is_waited_for_once_and_called_locked(call: Call) -> None:
    began = time.monotonic()

    result = call("task", "disable", "report")

    # Five tries would have taken five seconds and more.
    assert time.monotonic() - began < 4
    assert result.code == 1
    assert "the database is locked: another process keeps writing to it" in result.err
    assert "Try again later" in result.err


@pytest.mark.slow
@pytest.mark.usefixtures("locked")
def test_whoever_watches_is_told_what_is_waited_for(home: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": SRC, "SMART_CRON_DATABASE__TIMEOUT_SECONDS": "3"}
    assert environment["SMART_CRON_HOME"] == str(home)

    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-m", "smart_cron", "task", "disable", "report"], environment)
    said = _all_of(terminal)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert said.count("The database is busy: somebody else writes to it. This waits for at most 3 s.") == 1


def _all_of(terminal: int) -> str:
    said = b""
    while True:
        try:
            more = os.read(terminal, 4096)
        except OSError:  # EIO: the other side was closed.
            more = b""
        if not more:
            os.close(terminal)
            return " ".join(said.decode().split())
        said += more
