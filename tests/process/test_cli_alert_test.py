"""`smart-cron alert test` as a person calls it, with real servers at the other end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.notify.sinks import Mailbox, mail_server
from tests.process.cli import Console

from smart_cron.services.notify.tested import last_tests

pytestmark = pytest.mark.slow


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    console = Console(tmp_path / "h")
    console.sure("init")
    yield console
    console.close()


def configure(console: Console, text: str) -> None:
    path = console.home / "smart-cron.toml"
    path.write_text(text)
    path.chmod(0o640)


def test_the_servers_answer_is_printed_and_the_result_kept(console: Console) -> None:
    with mail_server(Mailbox()) as box:
        configure(console, f'alert_email = "ops@example.org"\n[smtp]\nhost = "127.0.0.1"\nport = {box.port}\n')
        assert console.sure("alert", "test", "email") == b"Taken: 250 OK queued as 4711\n"
        box.rcpt = "550 5.1.1 no such user"
        done = console.call("alert", "test", "email", "--to", "gone@example.org")
        mistyped = last_tests(console.home / "state")["email"]
        console.call("alert", "test", "email")

    assert box.envelopes[0][1] == ["ops@example.org"]
    assert done.returncode == 1
    assert b"refused the receiver gone@example.org: 550 5.1.1 no such user" in done.stderr
    assert mistyped.ok
    result = last_tests(console.home / "state")["email"]
    assert (result.ok, "no such user" in result.words) == (False, True)


def test_a_dry_run_sends_nothing(console: Console) -> None:
    with mail_server(Mailbox()) as box:
        configure(console, f'alert_email = "ops@example.org"\n[smtp]\nhost = "127.0.0.1"\nport = {box.port}\n')
        said = console.sure("alert", "test", "email", "--dry-run")

    assert said == b"Would send a test message over 'email' (email).\n"
    assert not box.envelopes
    assert not last_tests(console.home / "state")


def test_a_program_gets_json_and_the_exit_code(console: Console) -> None:
    configure(console, '[channels.hook]\nkind = "webhook"\nurl = "https://evil.example/secret-path"\n')

    done = console.call("alert", "test", "hook", "--json")

    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert (answer["channel"], answer["kind"], answer["ok"]) == ("hook", "webhook", False)
    assert "add evil.example to webhook_allowed_hosts" in answer["answer"]
    assert b"secret-path" not in done.stdout + done.stderr


def test_a_task_names_its_receiver(console: Console) -> None:
    console.sure(
        "task", "add", "nightly", "--schedule", "0 2 * * *", "--command", "true", "--alert-email", "n@example.org"
    )
    with mail_server(Mailbox()) as box:
        configure(console, f'[smtp]\nhost = "127.0.0.1"\nport = {box.port}\n')
        console.sure("alert", "test", "email", "--task", "nightly")
        done = console.call("alert", "test", "slack", "--task", "nightly")

    assert box.envelopes[0][1] == ["n@example.org"]
    assert done.returncode == 1
    assert b"task 'nightly' names no receiver for 'slack'." in done.stderr


def test_what_was_called_wrongly_is_said_with_its_remedy(console: Console) -> None:
    assert b"no receiver is set. Name one with --to ADDRESS" in console.call("alert", "test", "email").stderr
    assert b"There are: email, slack." in console.call("alert", "test", "pigeon").stderr
    assert b"Name the task with --task NAME" in console.call("alert", "test", "slack").stderr
    done = console.call("alert", "test", "slack", "--to", "https://hooks.slack.com/x")
    assert done.returncode == 2


def test_config_check_names_each_fault_of_the_channels(console: Console) -> None:
    configure(console, 'alert_email = "ops"\n[channels.hook]\nkind = "webhook"\nurl = "https://evil.example/x"\n')

    done = console.call("config", "check")

    assert done.returncode == 1
    assert b"2 problems:\n  alert_email: set one mail address" in done.stderr
    assert b"\n  channels.hook.url: evil.example is not allowed by webhook_allowed_hosts" in done.stderr
