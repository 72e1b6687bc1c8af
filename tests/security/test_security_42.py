"""SECURITY 42: where encryption to the mail server is configured, it is verified and never fallen back from."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.notify.sinks import Certificates, Mailbox, Peer, certificates, mail_server, peer

from smart_cron.core.alert import Severity
from smart_cron.core.message import DeliveryError, Message, MessageKind
from smart_cron.services.notify.email import EmailChannel, MailServer

MESSAGE = Message(kind=MessageKind.TEST, severity=Severity.INFO, subject="s", text="secret words", html="<p>h</p>")
PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


def send(port: int, *, security: str, ca_file: str, host: str = "localhost", verify: bool = True) -> str:
    server = MailServer(
        host=host,
        port=port,
        security=security,
        user="cron",
        password=PASSWORD,
        sender="cron@example.org",
        verify=verify,
        ca_file=ca_file,
        timeout_seconds=10,
        total_seconds=20,
    )
    return EmailChannel(server, installation="x").send(MESSAGE, target="ops@example.org")


def refusal(port: int, *, security: str, ca_file: str, host: str = "localhost") -> str:
    with pytest.raises(DeliveryError) as caught:
        send(port, security=security, ca_file=ca_file, host=host)
    assert not caught.value.permanent, "what a setting mends is tried again"
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


@contextmanager
def recorded(*answers: bytes) -> Iterator[tuple[Peer, list[bytes]]]:
    """A server that gives these answers in turn and keeps all that it hears."""
    heard: list[bytes] = []

    def script(connection: socket.socket) -> None:
        connection.sendall(b"220 sink\r\n")
        for answer in answers:
            heard.append(connection.recv(65_536))
            connection.sendall(answer)
        while data := connection.recv(65_536):
            heard.append(data)

    with peer(script) as state:
        yield state, heard


def test_a_server_without_starttls_gets_neither_password_nor_message(tls: Certificates) -> None:
    with recorded(b"250-sink\r\n250 AUTH PLAIN LOGIN\r\n") as (state, heard):
        words = refusal(state.port, security="starttls", ca_file=tls.ca_file)

    assert "offers no STARTTLS, and nothing is sent without" in words
    assert [line.split()[0].upper() for line in heard if line] == [b"EHLO"]


@pytest.mark.parametrize("answer", [b"454 not now\r\n", b"500 what?\r\n", b"250 ok\r\n"])
def test_a_server_that_takes_its_starttls_back_gets_nothing(tls: Certificates, answer: bytes) -> None:
    with recorded(b"250-sink\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n", answer) as (state, heard):
        words = refusal(state.port, security="starttls", ca_file=tls.ca_file)

    assert "refused STARTTLS" in words
    assert [line.split()[0].upper() for line in heard if line] == [b"EHLO", b"STARTTLS"]


def test_a_go_ahead_without_tls_behind_it_gets_nothing(tls: Certificates) -> None:
    with recorded(b"250-sink\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n", b"220 go\r\n", b"250 ok\r\n") as (state, heard):
        words = refusal(state.port, security="starttls", ca_file=tls.ca_file)

    assert "does not speak TLS" in words
    assert not any(b"AUTH" in line or b"MAIL" in line for line in heard)


def test_answers_slipped_in_before_the_handshake_count_for_nothing(tls: Certificates) -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(b"220 sink\r\n")
        connection.recv(65_536)
        connection.sendall(b"250-sink\r\n250 STARTTLS\r\n")
        connection.recv(65_536)
        # In one packet with the go-ahead: a false greeting in the clear that offers a login.
        connection.sendall(b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n")
        with tls.ours.wrap_socket(connection, server_side=True) as encrypted:
            encrypted.recv(65_536)
            encrypted.sendall(b"250 sink\r\n")
            heard.append(encrypted.recv(65_536))

    heard: list[bytes] = []
    with peer(script) as state:
        words = refusal(state.port, security="starttls", ca_file=tls.ca_file)

    assert not any(b"AUTH" in line for line in heard)
    assert "TLS" in words or "no login" in words


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_a_stranger_is_not_accepted(tls: Certificates, security: str) -> None:
    with server(security, tls.stranger) as box:
        words = refusal(box.port, security=security, ca_file=tls.ca_file)

    assert f"the certificate of the mail server localhost:{box.port} is not accepted: " in words
    assert "smtp.ca_file" in words
    assert not box.logins
    assert not box.envelopes


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_our_own_certificate_is_not_accepted_for_another_name(tls: Certificates, security: str) -> None:
    # All of 127/8 is this machine, and the certificate is for 127.0.0.1 alone.
    with server(security, tls.ours, host="0.0.0.0") as box:
        words = refusal(box.port, security=security, ca_file=tls.ca_file, host="127.0.0.2")

    assert "is not accepted" in words
    assert not box.envelopes


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_by_default_the_systems_authorities_decide(tls: Certificates, security: str) -> None:
    with server(security, tls.ours) as box:
        words = refusal(box.port, security=security, ca_file="")

    assert "is not accepted" in words


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_in_the_clear_where_tls_is_set(tls: Certificates, security: str) -> None:
    with peer(lambda connection: connection.sendall(b"220 in the clear\r\n") or None) as state:
        refusal(state.port, security=security, ca_file=tls.ca_file)


def test_an_authority_that_cannot_be_read_is_no_reason_to_do_without(tls: Certificates) -> None:
    with server("tls", tls.ours) as box:
        words = refusal(box.port, security="tls", ca_file="/nonexistent.pem")

    assert "smtp.ca_file /nonexistent.pem cannot be read" in words


def test_verification_ends_only_where_somebody_says_so(tls: Certificates) -> None:
    with server("starttls", tls.stranger) as box:
        send(box.port, security="starttls", ca_file="", verify=False)

    assert box.envelopes[0][3]


@contextmanager
def server(security: str, context: ssl.SSLContext, *, host: str = "127.0.0.1") -> Iterator[Mailbox]:
    encryption = {"starttls": context} if security == "starttls" else {"tls": context}
    with mail_server(Mailbox(), login=security == "starttls", host=host, **encryption) as box:
        yield box
