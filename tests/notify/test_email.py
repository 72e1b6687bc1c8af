"""Mail over real SMTP: what arrives, and what every kind of trouble is called."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.notify.sinks import Certificates, Mailbox, Script, mail_server, peer

from smart_cron.core.message import DeliveryError, Message
from smart_cron.services.notify.email import EmailChannel, MailServer


def server(port: int, **changes: Any) -> MailServer:
    plain = MailServer(
        host="localhost",
        port=port,
        security="none",
        user="",
        password="",
        sender="cron@example.org",
        verify=True,
        ca_file="",
        timeout_seconds=10,
        total_seconds=15,
    )
    return replace(plain, **changes)


def send(message: Message, port: int, *, to: str = "ops@example.org", **changes: Any) -> str:
    return EmailChannel(server(port, **changes), installation="web-1").send(message, target=to)


def refusal(message: Message, port: int, **changes: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        send(message, port, **changes)
    return caught.value


def dialogue(*answers: bytes, then: Callable[[socket.socket], None] = lambda _: None) -> Script:
    """Greet, give one answer to each command, then do something and hang up."""

    def script(connection: socket.socket) -> None:
        connection.sendall(b"220 sink\r\n")
        for answer in answers:
            assert connection.recv(65_536)
            connection.sendall(answer)
        then(connection)

    return script


def test_a_mail_arrives_in_both_forms_and_the_servers_answer_comes_back(message: Message) -> None:
    with mail_server(Mailbox()) as box:
        answer = send(message, box.port)

    assert answer == "250 OK queued as 4711"
    assert box.envelopes[0][:2] == ("cron@example.org", ["ops@example.org"])
    mail = box.mail()
    assert mail["Subject"] == message.subject
    assert mail["From"] == "Smart Cron <cron@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Id"] == "Smart Cron <alerts.web-1.smart-cron>"
    assert mail["References"] == "<smart-cron-alert-12@example.org>"
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().splitlines() == message.text.splitlines()
    assert html.get_content().strip() == message.html


def test_another_attempt_at_the_same_message_has_the_same_message_id(message: Message) -> None:
    with mail_server(Mailbox()) as box:
        send(message, box.port)
        first = box.mail()["Message-ID"]
        box.envelopes.clear()
        send(message, box.port)

    assert box.mail()["Message-ID"] == first


def test_starttls_and_a_login(message: Message, tls: Certificates) -> None:
    with mail_server(Mailbox(), starttls=tls.ours, login=True) as box:
        send(message, box.port, security="starttls", ca_file=tls.ca_file, user="cron", password="correct horse")

    assert box.logins == [(b"cron", b"correct horse")]
    assert box.envelopes[0][3], "not encrypted"


def test_tls_from_the_first_byte(message: Message, tls: Certificates) -> None:
    with mail_server(Mailbox(), tls=tls.ours) as box:
        send(message, box.port, security="tls", ca_file=tls.ca_file)

    assert box.envelopes[0][3], "not encrypted"


def test_a_wrong_password_is_told_and_not_shown(message: Message, tls: Certificates) -> None:
    with mail_server(Mailbox(), starttls=tls.ours, login=True) as box:
        error = refusal(message, box.port, security="starttls", ca_file=tls.ca_file, user="cron", password="hunter22")

    assert "refused the login: 535" in str(error)
    assert "Check smtp.user and smtp.password." in str(error)
    assert "hunter22" not in str(error)
    assert not error.permanent


def test_a_password_that_the_server_repeats_is_masked(message: Message) -> None:
    script = dialogue(b"250-sink\r\n250 AUTH PLAIN\r\n", b"535 no such password: hunter22\r\n")
    with peer(script) as state:
        error = refusal(message, state.port, user="cron", password="hunter22")

    assert "no such password: ***" in str(error)


def test_a_receiver_that_does_not_exist_is_refused_for_good(message: Message) -> None:
    with mail_server(Mailbox(rcpt="550 5.1.1 no such user")) as box:
        error = refusal(message, box.port)

    assert error.permanent
    assert "refused the receiver ops@example.org: 550 5.1.1 no such user" in str(error)


def test_greylisting_is_tried_again(message: Message) -> None:
    with mail_server(Mailbox(rcpt="450 4.7.1 greylisted, come back in 5 minutes")) as box:
        error = refusal(message, box.port)

    assert not error.permanent
    assert "450 4.7.1 greylisted" in str(error)


@pytest.mark.parametrize(("answer", "permanent"), [("554 5.6.0 looks like spam", True), ("452 disk full", False)])
def test_a_message_that_is_not_taken(message: Message, answer: str, permanent: bool) -> None:
    with mail_server(Mailbox(data=answer)) as box:
        error = refusal(message, box.port)

    assert error.permanent is permanent
    assert f"refused the message: {answer}" in str(error)


def test_a_server_that_hangs_up_in_the_middle_of_the_message(message: Message) -> None:
    script = dialogue(
        b"250 sink\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n", then=lambda c: c.recv(1) and None
    )
    with peer(script) as state:
        error = refusal(message, state.port)

    assert not error.permanent
    assert "while handing over the message" in str(error)


def test_a_server_that_does_not_let_us_in(message: Message) -> None:
    def turn_away(connection: socket.socket) -> None:
        connection.sendall(b"554 you are on a list\r\n")

    with peer(turn_away) as state:
        error = refusal(message, state.port)

    assert not error.permanent
    assert "greeted us with 554 you are on a list" in str(error)


def test_a_port_that_nobody_listens_on(message: Message) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    error = refusal(message, port, host="127.0.0.1")

    assert f"127.0.0.1:{port} cannot be reached: Connection refused" in str(error)


@pytest.mark.slow
def test_a_server_that_says_nothing_is_left_in_time(message: Message) -> None:
    with peer(lambda connection: connection.recv(1) and None) as state:
        error = refusal(message, state.port, timeout_seconds=1)

    assert not error.permanent
    assert "gave no answer in time while connecting" in str(error)


@pytest.mark.slow
def test_a_server_that_drips_is_left_in_time(message: Message) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"220-")
        connection.settimeout(0.02)
        while True:
            try:
                if not connection.recv(1):
                    return
            except TimeoutError:
                connection.sendall(b"x")

    with peer(drip) as state:
        error = refusal(message, state.port, total_seconds=2)

    assert "gave no answer in time" in str(error)


def test_a_server_that_talks_nonsense(message: Message) -> None:
    def nonsense(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with peer(nonsense) as state:
        error = refusal(message, state.port)

    assert not error.permanent


def test_what_a_server_answers_cannot_drive_a_terminal(message: Message) -> None:
    with mail_server(Mailbox(data="554 \x1b[31mred\x1b[0m\x07")) as box:
        error = refusal(message, box.port)

    assert str(error).isprintable()


def test_half_a_character_keeps_no_mail_back(message: Message) -> None:
    with mail_server(Mailbox()) as box:
        send(replace(message, text="\ud800 torn", html="<p>\ud800</p>"), box.port)

    assert len(box.envelopes) == 1
