"""`doctor --report`: one file with all that somebody who helps would ask for, and none of our secrets."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.process.cli import Console, wait_until

pytestmark = pytest.mark.slow

SETTINGS = """
alert_email = "ops@example.org"
ping_url = "https://hc.example/ping/canary-ping-url"
webhook_allowed_hosts = ["hooks.slack.com", "hc.example"]
[database]
timeout_seconds = 7
[smtp]
host = "mail.example"
user = "mailer"
password = "canary smtp/password"
[channels.chat]
kind = "slack"
url = "https://hooks.slack.com/services/T000/B000/canary-channel"
[channels.sink]
kind = "webhook"
url = "https://sink.example/canary-sink?key=canary-query"
secret = "canary-signing"
"""
SCRIPT = (
    "echo $VAULT; echo canary-stdin-text; echo Authorization: Bearer canary-bearer-token; "
    "echo --password canary-argument; echo the last words >&2; exit 4"
)
HEADINGS = (
    "Versions", "Machine", "What doctor found", "Settings", "The database", "The task",
    "Its last 20 runs, the newest first", "Its alerts, the newest first", "The log about it", "Steps to reproduce",
    "What was expected, and what happened instead",
)  # fmt: skip


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    console = Console(tmp_path / "home")
    try:
        console.sure("init")
        yield console
    finally:
        console.close()


@pytest.fixture
def failed(console: Console) -> Console:
    """A home full of secrets, with a task that printed its own."""
    (console.home / "smart-cron.toml").write_text(SETTINGS)
    own = ("--env", "VAULT=canary-environment", "--stdin", "canary-stdin-text", "--failure-threshold", "1")
    console.add("leaky", SCRIPT, *own, "--ping-url", "https://hc.example/ping/canary-task-ping")
    console.sure("task", "run", "leaky")
    wait_until(
        lambda: console.call("master", "--once") and b"Task completed with status failed: leaky" in console.log(),
        "the end of the run",
    )
    return console


def test_security_33_no_secret_stands_in_a_report(failed: Console, tmp_path: Path) -> None:
    path = tmp_path / "report.txt"

    said = failed.sure("doctor", "--report", "leaky", "--output", str(path))

    text = path.read_text()
    assert str(path).encode() in said
    assert [line for line in text.splitlines() if "canary" in line] == []
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_report_has_all_that_is_asked_for(failed: Console, tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    failed.sure("doctor", "--report", "leaky", "--output", str(path))
    lines = path.read_text().splitlines()

    assert [line for line in lines if line in HEADINGS] == list(HEADINGS)
    assert any(line.startswith("run 1: status=failed") and "exit_code=4" in line for line in lines)
    assert "    stderr| the last words" in lines
    assert any("Task completed with status failed: leaky" in line for line in lines)
    assert "environment.VAULT: ***" in lines
    assert any("consecutive_failures" in line and "(1 times, open)" in line for line in lines)
    assert "database.timeout_seconds: 7" in lines
    assert f"SQLite {sqlite3.sqlite_version}" in lines


def test_a_report_never_replaces_a_file_and_follows_no_link(failed: Console, tmp_path: Path) -> None:
    kept, link = tmp_path / "kept", tmp_path / "link"
    kept.write_text("mine")
    link.symlink_to(tmp_path / "elsewhere")

    for path in (kept, link):
        done = failed.call("doctor", "--report", "leaky", "--output", str(path))
        assert (done.returncode, b"File exists" in done.stderr) == (1, True)

    assert kept.read_text() == "mine"
    assert not os.path.lexists(tmp_path / "elsewhere")


def test_a_report_is_written_without_a_database_too(failed: Console, tmp_path: Path) -> None:
    url = "mysql://app:canary-database-password@127.0.0.1:1/none"
    settings = SETTINGS.replace("timeout_seconds = 7", f'url = "{url}"')
    (failed.home / "smart-cron.toml").write_text(settings)
    path = tmp_path / "report.txt"

    failed.sure("doctor", "--report", "leaky", "--output", str(path))

    text = path.read_text()
    assert "The database does not tell: " in text
    assert "Task completed with status failed: leaky" in text
    assert "canary-database-password" not in text


def test_a_report_on_no_task_is_refused(console: Console, tmp_path: Path) -> None:
    done = console.call("doctor", "--report", "nobody", "--output", str(tmp_path / "report"))

    assert (done.returncode, b"there is no task 'nobody'" in done.stderr) == (1, True)
    assert not (tmp_path / "report").exists()
