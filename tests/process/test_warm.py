"""What stands in for a process started anew says and ends as that does."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from tests.process.cli import DEADLINE_SECONDS, Console

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "words",
    [
        ("task", "list", "--disabled"),
        ("task", "list", "--json"),
        ("task", "show", "none"),
        ("no-such-command",),
        ("init", "--help"),
    ],
    ids=" ".join,
)
def test_a_command_says_and_ends_as_one_that_was_started_by_itself(tmp_path: Path, words: tuple[str, ...]) -> None:
    console = Console(tmp_path / "home")
    console.sure("init")
    started = subprocess.run(
        console.argv(*words),
        env=console.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )

    called = console.call(*words)

    assert (called.returncode, called.stdout, called.stderr) == (started.returncode, started.stdout, started.stderr)


def test_what_is_typed_arrives(tmp_path: Path) -> None:
    console = Console(tmp_path / "home")
    console.sure("init")

    console.sure_with("correct horse battery\n", "user", "add", "ann", "--role", "viewer")

    with closing(sqlite3.connect(console.home / "state" / "smart-cron.db")) as connection:
        assert connection.execute("SELECT username FROM smart_cron_users").fetchall() == [("ann",)]
