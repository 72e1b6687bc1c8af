"""From a task that fails to the mail server: real masters, real tasks, a real SMTP server."""

from __future__ import annotations

import signal
import socket
import time
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from tests.alerts.conftest import mail_settings
from tests.engine.conftest import DEADLINE_SECONDS, Home, MakeHome, wait_until
from tests.notify.sinks import Mailbox, mail_server, peer

from smart_cron import SmartCronAlert

pytestmark = pytest.mark.slow


def mail(box: Mailbox, number: int = 0) -> EmailMessage:
    """Return a mail once it has come."""
    wait_until(lambda: len(box.envelopes) > number, f"mail number {number + 1}")
    return message_from_bytes(box.envelopes[number][2], policy=default)


def text(of: EmailMessage) -> str:
    body = of.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def letters(home: Home) -> list[tuple[Any, ...]]:
    return home.sql("SELECT kind, target, status, attempts FROM smart_cron_deliveries ORDER BY id")


def await_letters(home: Home, expected: list[tuple[Any, ...]]) -> None:
    try:
        wait_until(lambda: letters(home) == expected, "the letters")
    except AssertionError:
        raise AssertionError(f"{letters(home)} instead of {expected}\n{home.log_text()}") from None


def test_a_failure_is_mailed_with_its_last_words_and_its_end_once_more(home: Home, box: Mailbox) -> None:
    flag = home.path / "works"
    task = home.add("nightly", f"echo cannot reach the bank >&2; test -e {flag}", failure_threshold=1)
    home.start_master()

    home.run_now(task)
    failure = mail(box)
    flag.touch()
    home.run_now(task)
    recovery = mail(box, 1)

    assert "nightly" in str(failure["Subject"])
    assert str(failure["To"]) == "ops@example.com"
    assert "cannot reach the bank" in text(failure)
    assert "nightly" in str(recovery["Subject"])
    sent = ("ops@example.com", "sent", 1)
    await_letters(home, [("alert", *sent), ("recovery", *sent)])


def test_settings_of_messages_are_taken_up_on_sighup(make_home: MakeHome, box: Mailbox) -> None:
    home = make_home()
    master = home.start_master()
    settings = f"""
        alert_email = "ops@example.com"
        smtp = {{ host = "127.0.0.1", port = {box.port}, sender = "smart-cron@example.com" }}
        channels.oncall = {{ kind = "email", address = "oncall@example.com", min_severity = "error" }}
    """
    (home.path / "smart-cron.toml").write_text(settings)

    master.send_signal(signal.SIGHUP)
    wait_until(lambda: "Settings were reread" in home.log_text(), "the reread")
    home.run_now(home.add("nightly", "exit 3", failure_threshold=1))

    assert {str(mail(box, number)["To"]) for number in range(2)} == {"ops@example.com", "oncall@example.com"}


def test_a_pass_of_a_crontab_line_mails_too(home: Home, box: Mailbox) -> None:
    task = home.add("nightly", "exit 3", failure_threshold=1, alert_email="owner@example.com")
    home.run_now(task)

    home.once()

    assert str(mail(box)["To"]) == "owner@example.com"


def test_one_cause_of_many_tasks_is_one_mail(home: Home, box: Mailbox) -> None:
    tasks = [home.add(f"job_{number}", "echo no route to host >&2; exit 1", failure_threshold=1) for number in range(8)]
    for task in tasks:
        home.run_now(task)

    home.once()

    assert "8" in str(mail(box)["Subject"])
    await_letters(home, [("alert", "ops@example.com", "sent", 1)])


def test_a_server_that_says_later_is_asked_again(home: Home, box: Mailbox) -> None:
    box.rcpt = "451 greylisted, try again later"
    home.run_now(home.add("nightly", "exit 1", failure_threshold=1))
    home.once()
    await_letters(home, [("alert", "ops@example.com", "pending", 1)])

    box.rcpt = ""
    home.sql("UPDATE smart_cron_deliveries SET next_attempt_at = '2026-01-01 00:00:00.000000'")
    home.once()

    assert "nightly" in str(mail(box)["Subject"])
    await_letters(home, [("alert", "ops@example.com", "sent", 2)])


def test_a_refusal_for_good_is_recorded_with_the_servers_words(home: Home, box: Mailbox) -> None:
    box.rcpt = "550 no such user here"
    home.run_now(home.add("nightly", "exit 1", failure_threshold=1))

    home.once()

    await_letters(home, [("alert", "ops@example.com", "failed", 1)])
    assert "no such user here" in home.sql("SELECT last_error FROM smart_cron_deliveries")[0][0]
    assert home.house.store.outbox.counts().failed_last_day == 1


def test_a_mail_server_that_hangs_delays_no_run_and_no_end(make_home: MakeHome) -> None:
    with peer(_say_nothing) as server:
        home = make_home(**mail_settings(server.port))
        failing = home.add("failing", "exit 1", failure_threshold=1)
        master = home.start_master()
        home.run_now(failing)
        wait_until(lambda: server.connections, "the master to call the mail server")

        home.await_runs(1, task=failing)
        fine = home.add("fine", "exit 0")
        home.run_now(fine)
        home.await_runs(1, task=fine)
        master.send_signal(signal.SIGTERM)
        assert master.wait(DEADLINE_SECONDS) == 0

    assert [row[2] for row in letters(home)] == ["pending"]


def test_what_a_killed_master_had_in_hand_is_sent_by_the_next(make_home: MakeHome) -> None:
    with peer(_say_nothing) as server:
        home = make_home(**mail_settings(server.port))
        master = home.start_master()
        home.run_now(home.add("nightly", "exit 1", failure_threshold=1))
        wait_until(lambda: server.connections, "the master to call the mail server")
        master.kill()
        master.wait()
    await_letters(home, [("alert", "ops@example.com", "pending", 1)])

    with mail_server(Mailbox()) as box:
        home.settings.update(mail_settings(box.port))
        home.start_master()

        assert "nightly" in str(mail(box)["Subject"])


def test_what_sql_raises_is_told_and_what_sql_resolves_is_not(home: Home, box: Mailbox) -> None:
    home.sql(
        """INSERT INTO smart_cron_alerts (alert_type, severity, message)
         VALUES ('disk_space', 'critical', 'The disk is full')"""
    )
    home.once()
    assert "disk" in text(mail(box)).lower()
    home.sql("UPDATE smart_cron_alerts SET resolved = 1, resolved_at = CURRENT_TIMESTAMP")
    home.run_now(home.add("nightly", "exit 1", failure_threshold=1))
    home.once()

    assert "nightly" in str(mail(box, 1)["Subject"])
    assert len(letters(home)) == 2


def test_what_another_process_raises_is_mailed_within_seconds(home: Home, box: Mailbox) -> None:
    """The master's own look comes each 15 s: it has just looked, since the first mail has come."""
    raise_by_sql(home, "The disk is full")
    home.start_master()
    mail(box)
    began_at = time.monotonic()

    raise_by_sql(home, "The memory is used up")

    mail(box, 1)
    assert time.monotonic() - began_at < 8


def test_a_mail_on_demand_says_what_every_other_says_and_is_tried_again(home: Home, box: Mailbox) -> None:
    home.run_now(home.add("nightly", "echo cannot reach the bank >&2; exit 3"))
    home.once()
    (alert,) = home.house.store.alerts.alerts()
    ours = SmartCronAlert(home.house)

    assert ours.send_email_notification("boss@example.com", alert.id)
    box.rcpt = "451 greylisted, try again later"
    assert not ours.send_email_notification("boss@example.com", alert.id)
    box.rcpt = ""

    for words in ("cannot reach the bank", "Exit code", "Attempt", "Slot"):
        assert words in text(mail(box))
    assert letters(home) == [("alert", "boss@example.com", "sent", 1), ("alert", "boss@example.com", "pending", 1)]
    home.sql("UPDATE smart_cron_deliveries SET next_attempt_at = '2026-01-01 00:00:00.000000' WHERE status = 'pending'")
    home.once()
    assert "cannot reach the bank" in text(mail(box, 1))
    await_letters(home, [("alert", "boss@example.com", "sent", 1), ("alert", "boss@example.com", "sent", 2)])


def raise_by_sql(home: Home, message: str) -> None:
    home.sql(
        """INSERT INTO smart_cron_alerts (alert_type, subtype, severity, message)
         VALUES ('system_health', ?, 'critical', ?)""",
        message,
        message,
    )


def _say_nothing(connection: socket.socket) -> None:
    """Take the call and keep silent until the other side hangs up."""
    connection.settimeout(None)
    while connection.recv(1024):
        pass
