"""SECURITY 29: no address, name or subject adds a header, a receiver or a command to a mail."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

import pytest
from tests.notify.sinks import Mailbox, mail_server

from smart_cron.core.alert import Alert, AlertType, Cause, Severity
from smart_cron.core.alert_text import compose
from smart_cron.core.mail_address import plain_address
from smart_cron.core.message import DeliveryError, Message, MessageKind
from smart_cron.services.notify.email import EmailChannel, MailServer, written

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOSTILE = (
    "x\r\nBcc: evil@example.org",
    "x\nBcc: evil@example.org\n\nbody",
    "x\rBcc: evil@example.org",
    "x\u2028Bcc: evil@example.org",
    "x\x85Bcc: evil@example.org",
    "x\x0bBcc: evil@example.org",
    "x\x00\x1b[2J\x07",
    "=?utf-8?q?x=0D=0ABcc=3A_evil=40example=2Eorg?=",
    "x\r\n.\r\nMAIL FROM:<evil@example.org>",
    "\u202egro.elpmaxe@live",
    "é" * 5000 + "\r\nBcc: evil@example.org",
    "\ud800\r\nBcc: evil@example.org",
)
ADDRESSES = (
    "",
    "ops",
    "@example.org",
    "ops@",
    "ops@example.org\n",
    "ops@example.org\r\nBcc: evil@example.org",
    "ops@example.org\r\nRCPT TO:<evil@example.org>",
    "ops@example.org,evil@example.org",
    "ops@example.org evil@example.org",
    "ops@example.org> RCPT TO:<evil@example.org",
    "<ops@example.org>",
    "Ops <ops@example.org>",
    '"a b"@example.org',
    "ops\x00@example.org",
    "ops\u2028@example.org",
    "öps@example.org",
    "ops@exa mple.org",
    "ops@exam\u200bple.org\n",
    "ops@-example.org",
    "ops@example..org",
    "ops@[127.0.0.1]",
    "a@b@example.org",
    ".ops@example.org",
    f"{'o' * 65}@example.org",
    f"ops@{'a' * 64}.org",
    f"ops@{'a.' * 150}org",
)


def hostile_message(text: str) -> Message:
    alert = Alert(
        id=1,
        cause=Cause(alert_type=AlertType.TASK_FAILURE, task_id=3, subtype=text, node=text),
        severity=Severity.ERROR,
        message=text,
        task_name=text,
        execution_id=None,
        details={text: text},
        occurrences=2,
        created_at=NOON,
        last_occurred_at=NOON,
        note=text,
    )
    return compose(MessageKind.ALERT, [alert], None, link=text, installation=text, now=NOON)


def server(port: int = 0) -> MailServer:
    return MailServer(
        host="127.0.0.1",
        port=port,
        security="none",
        user="",
        password="",
        sender="cron@example.org",
        verify=True,
        ca_file="",
        timeout_seconds=10,
        total_seconds=20,
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_or_text_adds_a_header(text: str) -> None:
    message = hostile_message(text)
    raw = written(message, sender="cron@example.org", receiver="ops@example.org", installation=text)

    head = raw.partition(b"\r\n\r\n")[0]
    mail = message_from_bytes(raw, policy=default)
    assert head.isascii()
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert not any(byte < 32 and byte not in b"\r\n\t" for byte in head)
    assert {name.lower() for name in mail.keys()} == {  # noqa: SIM118  - a mail is no dictionary
        "subject", "from", "to", "date", "message-id", "references", "auto-submitted", "list-id", "x-smart-cron",
        "mime-version", "content-type",
    }  # fmt: skip
    assert mail["To"] == "ops@example.org"
    assert "\n" not in mail["Subject"]


@pytest.mark.parametrize("subject", HOSTILE)
def test_a_subject_that_was_stored_as_it_never_should_adds_no_header(subject: str) -> None:
    message = Message(kind=MessageKind.ALERT, severity=Severity.ERROR, subject=subject, text="t", html="<p>t</p>")

    mail = message_from_bytes(
        written(message, sender="cron@example.org", receiver="ops@example.org", installation="x"), policy=default
    )

    assert mail["Bcc"] is None


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_is_more_than_an_address_is_refused_before_anything_is_connected_to(address: str) -> None:
    channel = EmailChannel(server(), installation="x")

    with pytest.raises(DeliveryError) as caught:
        channel.send(hostile_message("x"), target=address)

    assert caught.value.permanent
    assert str(caught.value).isprintable()
    assert plain_address(address) is None


def test_an_address_in_another_script_is_sent_to_in_ascii() -> None:
    assert plain_address("ops@exämple.org") == "ops@xn--exmple-cua.org"
    assert plain_address("o'brien+cron@mail.example.org") == "o'brien+cron@mail.example.org"


def test_one_receiver_gets_it_and_a_dot_alone_ends_nothing() -> None:
    message = Message(
        kind=MessageKind.ALERT,
        severity=Severity.ERROR,
        subject="s",
        text="first\n.\nRCPT TO:<evil@example.org>\n..\nlast\n",
        html="<p>\n.\n</p>",
    )
    with mail_server(Mailbox()) as box:
        EmailChannel(server(box.port), installation="x").send(message, target="ops@example.org")

    assert box.envelopes[0][:2] == ("cron@example.org", ["ops@example.org"])
    plain = box.mail().get_body(("plain",))
    assert plain is not None
    assert plain.get_content().splitlines() == message.text.splitlines()
