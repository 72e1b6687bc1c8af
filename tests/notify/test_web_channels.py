"""Slack, webhooks and apprise against real HTTP servers: what arrives, and what every kind of answer means."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.notify.sinks import Certificates, peer, read_request, web_sink

from smart_cron.core.message import DeliveryError, Message
from smart_cron.services.notify.apprise import AppriseChannel
from smart_cron.services.notify.guard import Guard
from smart_cron.services.notify.slack import SlackChannel
from smart_cron.services.notify.web_call import WebCaller
from smart_cron.services.notify.webhook import WebhookChannel, signature

LOOPBACK = ("127.0.0.0/8",)


def caller(tls: Certificates | None = None, *, seconds: float = 10, networks: Sequence[str] = LOOPBACK) -> WebCaller:
    guard = Guard(networks=networks, resolve=lambda _: ["127.0.0.1"])
    return WebCaller(guard, context=None if tls is None else tls.client(), total_seconds=seconds)


def refusal(url: str, *, seconds: float = 10, tls: Certificates | None = None) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        caller(tls, seconds=seconds).call(url, body=b"{}")
    return caught.value


def test_a_webhook_gets_the_facts_signed(message: Message, tls: Certificates) -> None:
    with web_sink(tls=tls.ours) as (state, requests):
        url = f"https://localhost:{state.port}/hooks?x=1"
        channel = WebhookChannel(caller(tls), url=url, secret="between us", now=lambda: 1_700_000_000.0)
        answer = channel.send(message, target="")

    assert answer == "HTTP 200 OK"
    (request,) = requests
    assert (request.method, request.path) == ("POST", "/hooks?x=1")
    assert request.headers["host"] == f"localhost:{state.port}"
    assert json.loads(request.body)["subject"] == message.subject
    assert json.loads(request.body)["alerts"] == [{"id": 12}]
    expected = "sha256=" + signature("between us", "1700000000", request.body)
    assert request.headers["x-smart-cron-signature"] == expected
    assert request.headers["x-smart-cron-timestamp"] == "1700000000"


def test_each_attempt_at_one_message_has_the_same_id(message: Message) -> None:
    with web_sink() as (state, requests):
        channel = WebhookChannel(caller(), url=f"http://127.0.0.1:{state.port}/")
        channel.send(message, target="")
        channel.send(message, target="")
        channel.send(replace(message, subject="another"), target="")

    first, second, other = [request.headers["x-smart-cron-id"] for request in requests]
    assert first == second != other


def test_slack_gets_text_in_which_nothing_is_a_command(message: Message) -> None:
    hostile = replace(message, subject="<!channel> & co", text="``` <@U1> <http://x|y>")
    with web_sink() as (state, requests):
        SlackChannel(caller()).send(hostile, target=f"http://127.0.0.1:{state.port}/services/T/B/secret")

    sent = json.loads(requests[0].body)
    assert sent["text"] == "&lt;!channel&gt; &amp; co"
    assert sent["attachments"][0]["text"] == "```\n` ` ` &lt;@U1&gt; &lt;http://x|y&gt;\n```"


@pytest.mark.parametrize(
    ("status", "permanent"),
    [(400, True), (404, True), (410, True), (408, False), (429, False), (500, False), (503, False)],
)
def test_what_a_status_means(status: int, permanent: bool) -> None:
    answer = f"HTTP/1.1 {status} <script>their words</script>\r\nContent-Length: 9\r\n\r\ntheirpage"
    with web_sink(answer) as (state, _):
        error = refusal(f"http://127.0.0.1:{state.port}/secret-path")

    assert error.permanent is permanent
    assert f"HTTP {status}" in str(error)
    assert not any(word in str(error) for word in ("their", "secret-path"))


def test_a_server_that_answers_with_something_else() -> None:
    with peer(lambda connection: connection.sendall(b"220 smtp\r\n") or None) as state:
        error = refusal(f"http://127.0.0.1:{state.port}/")

    assert not error.permanent


def test_a_server_that_hangs_up_without_an_answer() -> None:
    def silent(connection: socket.socket) -> None:
        read_request(connection)

    with peer(silent) as state:
        error = refusal(f"http://127.0.0.1:{state.port}/")

    assert not error.permanent
    assert "closed the connection" in str(error) or "cannot be reached" in str(error)


def test_a_server_without_tls_where_tls_is_asked_for(tls: Certificates) -> None:
    with peer(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n") or None) as state:
        error = refusal(f"https://localhost:{state.port}/", tls=tls)

    assert not error.permanent
    assert "does not speak TLS as it should" in str(error)


@pytest.mark.slow
def test_apprise_hands_a_message_to_a_service(message: Message) -> None:
    with web_sink() as (state, requests):
        channel = AppriseChannel(f"json://127.0.0.1:{state.port}/x", hosts=(), networks=LOOPBACK)
        answer = channel.send(message, target="")

    assert answer == "JSON took it"
    sent = json.loads(requests[0].body)
    assert (sent["title"], sent["message"].strip()) == (message.subject, message.text.strip())


@pytest.mark.slow
@pytest.mark.parametrize(("status", "permanent"), [(403, True), (500, False)])
def test_what_an_apprise_service_answers(message: Message, status: int, permanent: bool) -> None:
    with web_sink(f"HTTP/1.1 {status} no\r\nContent-Length: 9\r\n\r\ntheirpage") as (state, _):
        channel = AppriseChannel(f"json://127.0.0.1:{state.port}/secret", hosts=(), networks=LOOPBACK)
        with pytest.raises(DeliveryError) as caught:
            channel.send(message, target="")

    assert caught.value.permanent is permanent
    assert str(caught.value) == f"JSON answered HTTP {status}"


@pytest.mark.slow
def test_an_apprise_address_that_is_none_is_refused_and_not_shown(message: Message) -> None:
    with pytest.raises(DeliveryError) as caught:
        AppriseChannel("nonsense://token", hosts=(), networks=()).send(message, target="")

    assert caught.value.permanent
    assert "token" not in str(caught.value)


@pytest.mark.slow
def test_an_apprise_service_that_never_answers_is_left_in_time(message: Message) -> None:
    with peer(lambda connection: connection.settimeout(None) or read_until_the_end(connection)) as state:
        channel = AppriseChannel(f"json://127.0.0.1:{state.port}/", hosts=(), networks=LOOPBACK, total_seconds=2)
        with pytest.raises(DeliveryError) as caught:
            channel.send(message, target="")

    assert not caught.value.permanent
    assert "gave no answer within 2 s" in str(caught.value)


def read_until_the_end(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass
