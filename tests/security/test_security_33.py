"""SECURITY 33: what is secret in settings, tasks and accounts is nowhere else: processes, logs, pages, files, names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.process.cli import wait_until
from tests.security.ground import Ground
from tests.web.addresses import everything_in
from tests.web.api_callers import Caller, make_key
from tests.web.conftest import House, make_house, served
from tests.web.visitors import Visitor

__all__ = ["make_house"]
pytestmark = pytest.mark.slow
PASSWORD = "canary account password"
SETTINGS = """
ping_url = "https://hc.example/ping/canary-ping-url"
[smtp]
host = "mail.example"
user = "mailer"
password = "canary-smtp-password"
[channels.chat]
kind = "slack"
url = "https://hooks.slack.com/services/T000/B000/canary-channel"
[channels.sink]
kind = "webhook"
url = "https://sink.example/x?key=canary-query"
secret = "canary-signing"
"""
SECRETS = (
    "canary-ping-url", "canary-smtp-password", "canary-channel", "canary-query", "canary-signing",
    "canary-task-token", "canary-webhook", PASSWORD,
)  # fmt: skip


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    """A master, a dashboard and a task at work in a home full of secrets."""
    house = make_house()
    file = house.home / "smart-cron.toml"
    file.write_text(SETTINGS)
    file.chmod(0o640)
    house.sure_with(f"{PASSWORD}\n", "user", "add", "admin", "--role", "admin")
    house.add(
        "holder", "sleep 600", "--env", "API_TOKEN=canary-task-token",
        "--alert-slack-webhook", "https://hooks.slack.com/services/T/B/canary-webhook",
    )  # fmt: skip
    house.add("other", "env; cat /proc/$PPID/environ; exit 3", "--failure-threshold", "1")
    house.start_master()
    return house


def found_in(text: bytes, *besides: str) -> list[str]:
    return [secret for secret in SECRETS if secret.encode() in text and secret not in besides]


def processes() -> Iterator[tuple[str, bytes, bytes]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield folder.name, (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:
            continue


def test_no_secret_is_anywhere_but_in_its_place(house: House) -> None:
    serving = served(house)
    admin = Visitor(serving)
    admin.log_in("admin", PASSWORD)
    key = make_key(house, "admin", "admin")
    caller = Caller(serving, key)
    house.sure("task", "run", "holder")
    wait_until(lambda: b'"running"' in house.sure("run", "list", "--task", "holder", "--json"), "a run of the holder")
    house.call("task", "run", "other", "--wait")
    house.sure("backup", "create", "--label", "nightly")
    ground = Ground(serving, everything_in(house), {"key": "holder", "name": "holder", "run": "1", "number": "1"})

    task = re.compile(rb"sleep 600")
    for pid, argv, environ in processes():
        if str(house.home).encode() in argv + environ or pid == str(os.getpid()):
            allowed = ("canary-task-token",) if task.search(argv) else ()
            assert found_in(argv) == [], argv
            assert found_in(environ, *allowed) == [], argv
    for path in ground.everything.addresses(ground.values):
        if not path.startswith("/stream/"):
            assert found_in(admin.get(path).body) == [], path
    for each in ground.everything.operations:
        if each.method == "GET":
            body = caller.ask("GET", each.address(ground.values).removeprefix("/api/v1")).body
            assert found_in(body) == [], each
    for words in (
        ("task", "show", "holder"), ("task", "show", "holder", "--json"), ("task", "list", "--json"),
        ("config", "show"),
        ("config", "show", "--json"), ("audit", "list", "--json", "--limit", "200"), ("backup", "list", "--json"),
        ("run", "list", "--json"), ("run", "logs", "2"), ("user", "list", "--json"), ("alert", "list", "--json"),
    ):  # fmt: skip
        done = house.call(*words)
        assert found_in(done.stdout + done.stderr) == [], words
    for path in (house.home / "log").rglob("*"):
        if path.is_file():
            assert found_in(path.read_bytes()) == [], path
            assert key.encode() not in path.read_bytes()
    assert found_in("".join(str(path) for path in house.home.rglob("*")).encode()) == []


def test_passwords_and_keys_are_kept_as_what_cannot_be_turned_back(house: House) -> None:
    key = make_key(house, "admin", "admin")
    state = b"".join(path.read_bytes() for path in (house.home / "state").glob("smart-cron.db*"))

    assert PASSWORD.encode() not in state
    assert key.encode() not in state
    assert key.rpartition("_")[2].encode() not in state
    assert b"argon2id$v=19$" in state
