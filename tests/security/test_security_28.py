"""SECURITY 28: where messages may go. Odd spellings, names that change, redirects, endless and slow answers."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.notify.sinks import Certificates, certificates, peer, read_request, web_sink

import smart_cron
from smart_cron.core.alert import Severity
from smart_cron.core.message import DeliveryError, Message, MessageKind
from smart_cron.services.notify.apprise import AppriseChannel
from smart_cron.services.notify.deadline import Deadline
from smart_cron.services.notify.guard import Guard, resolve_by_system
from smart_cron.services.notify.web_call import WebCaller

LOOPBACK_SPELLINGS = (
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "0177.0x0.0.01",
    "127.0.0.1.",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:0:0:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "0.0.0.0",
    "0",
    "[::]",
    "localhost",
    "LOCALHOST.",
    "１２７.０.０.１",
    "①②⑦.⓪.⓪.①",
)  # fmt: skip
PRIVATE = (
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
)
PUBLIC = "93.184.215.14"
MESSAGE = Message(kind=MessageKind.TEST, severity=Severity.INFO, subject="s", text="t", html="<p>h</p>")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


def judge(url: str, *, resolve: Sequence[str] | None = None, **bounds: Sequence[str]) -> tuple[str, ...]:
    resolver = resolve_by_system if resolve is None else lambda _: resolve
    return Guard(**bounds, resolve=resolver).judge(url, deadline=Deadline(10)).addresses


def refusal(url: str, *, resolve: Sequence[str] | None = None, **bounds: Sequence[str]) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        judge(url, resolve=resolve, **bounds)
    return caught.value


@pytest.mark.parametrize("spelling", LOOPBACK_SPELLINGS)
def test_no_spelling_of_this_machine_is_called(spelling: str) -> None:
    refusal(f"https://{spelling}/")

    # Not even where somebody allowed that very name.
    host = spelling.strip("[]").rstrip(".").lower()
    refusal(f"https://{spelling}/", hosts=(host, "127.0.0.1", "localhost"), networks=("203.0.113.0/24",))


@pytest.mark.parametrize("address", PRIVATE)
def test_an_allowed_name_that_leads_inside_is_refused(address: str) -> None:
    error = refusal("https://hooks.example.org/", resolve=[address], hosts=("hooks.example.org",))

    assert error.permanent
    assert "not public" in str(error)


def test_one_inner_address_among_public_ones_is_enough_to_refuse() -> None:
    refusal("https://hooks.example.org/", resolve=[PUBLIC, "10.0.0.1"], hosts=("hooks.example.org",))


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://hooks.slack.com/",
        "ftp://hooks.slack.com/",
        "http://hooks.slack.com/",
        "//hooks.slack.com/",
        "hooks.slack.com",
        "https:///x",
        "https://hooks.slack.com@evil.example/",
        "https://evil.example#@hooks.slack.com/",
        "https://evil.example\\@hooks.slack.com/",
        "https://evil.example\\.hooks.slack.com/",
        "https://hooks.slack.com\n.evil.example/",
        "https://hooks.slack.com /",
        "https://hooks.slack.com.evil.example/",
        "https://evilhooks.slack.com/",
        "https://hooks.slack.com:0/",
        "https://hooks.slack.com:22/",
        "https://hooks.slack.com:8443/",
        "https://hooks.slack.com:99999/",
        "https://[::1%25eth0]/",
        "https://hooks%2eslack.com/",
    ],
)
def test_what_only_looks_like_an_allowed_address(url: str) -> None:
    assert refusal(url, resolve=[PUBLIC], hosts=("hooks.slack.com",)).permanent


def test_a_suffix_allows_what_is_below_it_and_nothing_beside() -> None:
    assert judge("https://a.example.org/", resolve=[PUBLIC], hosts=(".example.org",)) == (PUBLIC,)

    refusal("https://example.org/", resolve=[PUBLIC], hosts=(".example.org",))
    refusal("https://aexample.org/", resolve=[PUBLIC], hosts=(".example.org",))


def test_another_port_is_called_only_where_the_host_is_named_with_it() -> None:
    bounds = {"hosts": ("hooks.example.org:8443", ".corp.example.org", "b.corp.example.org:9000")}
    for url in (
        "https://hooks.example.org:8443/",
        "https://a.corp.example.org/",
        "https://b.corp.example.org:443/",
        "https://b.corp.example.org:9000/",
    ):
        assert judge(url, resolve=[PUBLIC], **bounds) == (PUBLIC,), url
        assert Guard(**bounds).fault(url) is None

    for url in ("https://hooks.example.org/", "https://hooks.example.org:22/", "https://a.corp.example.org:9000/"):
        assert "is not allowed" in str(refusal(url, resolve=[PUBLIC], networks=("10.1.0.0/16",), **bounds)), url
        fault = Guard(**bounds).fault(url)
        assert fault is not None
        assert fault.startswith("port ")


def test_a_network_allows_every_port_inside() -> None:
    assert judge("https://hooks.lan:9000/", resolve=["10.1.2.3"], networks=("10.1.0.0/16",)) == ("10.1.2.3",)


def test_a_network_allows_addresses_inside_and_plain_http_there() -> None:
    assert judge("http://hooks.lan/", resolve=["10.1.2.3"], networks=("10.1.0.0/16",)) == ("10.1.2.3",)
    assert judge("https://10.1.2.3/", networks=("10.1.0.0/16",)) == ("10.1.2.3",)

    refusal("http://hooks.lan/", resolve=["10.1.2.3", "10.2.0.1"], networks=("10.1.0.0/16",))


def test_a_name_without_an_address_is_refused_for_now() -> None:
    def unknown(_: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    guard = Guard(hosts=("hooks.example.org",), resolve=unknown)
    with pytest.raises(DeliveryError) as caught:
        guard.judge("https://hooks.example.org/", deadline=Deadline(10))

    assert not caught.value.permanent


def test_a_host_that_is_not_allowed_is_not_even_asked_for() -> None:
    asked: list[str] = []

    def resolve(host: str) -> list[str]:
        asked.append(host)
        return [PUBLIC]

    with pytest.raises(DeliveryError):
        Guard(hosts=("hooks.slack.com",), resolve=resolve).judge("https://evil.example/", deadline=Deadline(10))

    assert not asked


def test_a_name_that_answers_differently_the_second_time_gains_nothing(tls: Certificates) -> None:
    with web_sink(tls=tls.ours) as (good, taken), web_sink(tls=tls.ours) as (evil, stolen):
        answers = itertools.chain([["127.0.0.1"]], itertools.repeat(["127.0.0.2"]))
        guard = Guard(networks=("127.0.0.1/32",), resolve=lambda _: next(answers))
        caller = WebCaller(guard, context=tls.client())

        assert caller.call(f"https://localhost:{good.port}/") == "HTTP 200 OK"
        with pytest.raises(DeliveryError):
            caller.call(f"https://localhost:{evil.port}/")

    assert (len(taken), len(stolen)) == (1, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with web_sink() as (inner, reached):
        head = f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:{inner.port}/\r\nContent-Length: 0\r\n\r\n"
        with web_sink(head) as (state, requests):
            error = call_refusal(f"http://127.0.0.1:{state.port}/")

    assert (len(requests), len(reached)) == (1, 0)
    assert error.permanent
    assert "redirects are not followed" in str(error)
    assert "Location" not in str(error)


def call_refusal(url: str, *, seconds: float = 10) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        WebCaller(Guard(networks=("127.0.0.0/8",)), total_seconds=seconds).call(url)
    return caught.value


def endless(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
    page = b"x" * 65_536
    while True:
        connection.sendall(page)


def test_an_answer_of_ten_gigabytes_is_not_read() -> None:
    with peer(endless) as state:
        answer = WebCaller(Guard(networks=("127.0.0.0/8",))).call(f"http://127.0.0.1:{state.port}/")

    assert answer == "HTTP 200 OK"


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX: "])
@pytest.mark.slow
def test_an_answer_that_drips_is_left_in_time(start: bytes) -> None:
    def drip(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(start)
        connection.settimeout(0.02)
        while True:
            try:
                if not connection.recv(1):
                    return
            except TimeoutError:
                connection.sendall(b"H")

    with peer(drip) as state:
        error = call_refusal(f"http://127.0.0.1:{state.port}/", seconds=2)

    assert not error.permanent
    assert "gave no answer within 2 s" in str(error)


@pytest.mark.slow
def test_a_handshake_that_never_ends_is_left_in_time() -> None:
    def hold(connection: socket.socket) -> None:
        while connection.recv(65_536):
            pass

    with peer(hold) as state:
        error = call_refusal(f"https://127.0.0.1:{state.port}/", seconds=2)

    assert "gave no answer within 2 s" in str(error)


# --- apprise: foreign code behind a wall -----------------------------------------------------------------------------


def apprise_refusal(url: str, *, networks: Sequence[str] = ("127.0.0.1/32",)) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        AppriseChannel(url, hosts=("hooks.slack.com",), networks=networks).send(MESSAGE, target="")
    return caught.value


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "localhost", "0x7f000001"])
@pytest.mark.slow
def test_apprise_does_not_reach_this_machine(host: str) -> None:
    with web_sink() as (state, requests):
        error = apprise_refusal(f"json://{host}:{state.port}/", networks=())

    assert error.permanent
    assert state.connections == 0
    assert not requests


@pytest.mark.slow
def test_apprise_follows_no_redirect() -> None:
    with web_sink() as (inner, reached):
        head = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{inner.port}/\r\nContent-Length: 0\r\n\r\n"
        with web_sink(head) as (state, _):
            error = apprise_refusal(f"json://127.0.0.1:{state.port}/")

    assert inner.connections == 0
    assert not reached
    assert "redirects are not followed" in str(error)


@pytest.mark.parametrize("url", ["syslog://", "dbus://", "gnome://", "macosx://", "windows://", "file:///etc/passwd"])
@pytest.mark.slow
def test_apprise_has_no_way_into_this_machine_beside_the_network(url: str) -> None:
    assert apprise_refusal(url).permanent


BEHIND_THE_WALL = """
import itertools, socket, sys
from smart_cron.core.message import DeliveryError
from smart_cron.services.notify.apprise_wall import Wall
from smart_cron.services.notify.deadline import Deadline
from smart_cron.services.notify.guard import Guard
import requests, subprocess, os

answers = itertools.chain([["127.0.0.1"]] * 2, itertools.repeat(["127.0.0.2"]))
wall = Wall(Guard(networks=["127.0.0.1/32"], resolve=lambda host: next(answers)), Deadline(20))
wall.build()
port = int(sys.argv[1])

def outcome(act):
    try:
        return str(act())
    except Exception as error:
        return type(error).__name__

session = requests.Session()
session.trust_env = False
print(outcome(lambda: session.post(f"http://name.example:{port}/").status_code))
print(outcome(lambda: session.post(f"http://name.example:{port}/").status_code))
print(outcome(lambda: socket.create_connection(("127.0.0.2", port))))
print(outcome(lambda: socket.socket().connect(("127.0.0.2", port))))
print(outcome(lambda: socket.socket().connect(("localhost", port))))
print(outcome(lambda: socket.socket().connect_ex(("127.0.0.3", port))))
print(outcome(lambda: socket.socket(socket.AF_UNIX).connect("/run/dbus/system_bus_socket")))
print(outcome(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port))))
print(outcome(lambda: socket.gethostbyname("name.example")))
print(outcome(lambda: subprocess.run(["true"])))
print(outcome(lambda: os.system("true")))
print(outcome(lambda: open("/tmp/behind-the-wall", "w")))
os._exit(0 if len(wall.refusals) >= 9 else 1)
"""


@pytest.mark.slow
def test_behind_the_wall_there_is_one_way_out_and_it_does_not_move() -> None:
    with web_sink() as (state, requests):
        source = str(Path(smart_cron.__file__).parents[1])
        command = [sys.executable, "-W", "ignore", "-c", BEHIND_THE_WALL, str(state.port)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": source, "PYTHONUNBUFFERED": "1"},
            check=False,
            timeout=60,
        )

    lines = done.stdout.split()
    assert lines[0] == "200", done.stderr
    assert set(lines[1:]) <= {"ConnectionError", "PermissionError", "gaierror"}, lines
    assert len(lines) == 12, done.stderr
    assert done.returncode == 0
    assert [request.path for request in requests] == ["/"]


def test_what_is_refused_shows_the_host_and_no_more() -> None:
    error = refusal("https://evil.example/services/T0/B0/secret?token=secret", hosts=("hooks.slack.com",))

    assert "evil.example" in str(error)
    assert "secret" not in str(error)
