"""SECURITY 38: sizes and times are bounded, and whoever holds on keeps neither pages nor tasks from anybody."""

from __future__ import annotations

import contextlib
import json
import select
import socket
from collections.abc import Callable, Iterator

import pytest
from tests.process.cli import wait_until
from tests.process.test_up import up
from tests.security.ground import Ground
from tests.web.api_callers import Caller, make_key
from tests.web.conftest import ANSWER_SECONDS, Dashboard, House, dashboard, make_house
from tests.web.wire import raw

__all__ = ["dashboard", "make_house"]
pytestmark = pytest.mark.slow


def test_long_addresses_headers_and_bodies_are_refused(dashboard: Dashboard) -> None:
    assert dashboard.ask("/" + "a" * 3000).status == 414
    assert dashboard.ask("/healthz?" + "a" * 3000).status == 414
    assert dashboard.ask("/ping/x", "POST", body=b"x", headers={"Content-Length": "99999999999"}).status == 413
    assert raw(dashboard, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000 + b"\r\n\r\n")[:12] in (
        b"HTTP/1.1 400",
        b"HTTP/1.1 431",  # it came at once
        b"",  # hung up on while it was still sending
    )


def test_a_body_without_a_length_is_counted_as_it_comes(dashboard: Dashboard) -> None:
    piece = b"fffff\r\n" + b"x" * 0xFFFFF + b"\r\n"
    head = b"POST /ping/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"

    answer = raw(dashboard, head + piece * 2 + b"0\r\n\r\n")

    assert answer[:12] in (b"HTTP/1.1 413", b"")


@contextlib.contextmanager
def crowd(dashboard: Dashboard) -> Iterator[list[socket.socket]]:
    """500 connections that say nothing, or begin to say something and go on by single bytes at best."""
    with contextlib.ExitStack() as held:
        connections = []
        for number in range(500):
            connection = socket.create_connection(("127.0.0.1", dashboard.port), timeout=ANSWER_SECONDS)
            connections.append(held.enter_context(connection))
            connection.sendall((b"", b"GET /hea", b"POST /ping/x HTTP/1.1\r\nContent-Length: 9\r\n\r\nx")[number % 3])
        yield connections


def test_500_connections_that_say_nothing_or_little_keep_nobody_out(dashboard: Dashboard) -> None:
    with crowd(dashboard):
        assert dashboard.ask("/readyz").status == 200


def test_500_connections_leave_scheduling_alone(make_house: Callable[..., House]) -> None:
    """All in one, as `smart-cron up` has it: a slot that comes while they hold on is run while they do."""
    house = make_house()
    house.sure_with("correct horse battery\n", "user", "add", "ada", "--role", "admin")
    (house.home / "had-users").touch()
    house.sure("task", "add", "each", "--command", "true", "--schedule", "* * * * *")
    with crowd(up(house)[0]) as connections:

        def ran() -> bool:
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.send(b"x")
            rows = json.loads(house.sure("run", "list", "--task", "each", "--json"))
            return any(row["triggered_by"] == "cron" and row["status"] == "success" for row in rows)

        wait_until(ran, "the slot of the next minute")


def test_a_slow_client_is_hung_up_on(dashboard: Dashboard) -> None:
    with socket.create_connection(("127.0.0.1", dashboard.port), timeout=ANSWER_SECONDS) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: loc")
        try:
            rest = connection.recv(100)
        except ConnectionResetError:
            rest = b""

        assert rest == b""


def test_a_client_that_asks_and_never_reads_is_hung_up_on(dashboard: Dashboard) -> None:
    asking = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n" * 700
    hung_up = select.poll()
    with socket.socket() as connection:
        # Small enough that answers soon wait in the server.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(("127.0.0.1", dashboard.port))
        connection.setblocking(False)
        hung_up.register(connection, 0)

        def is_over() -> bool:
            with contextlib.suppress(OSError):
                connection.send(asking)
            return bool(hung_up.poll(0))

        wait_until(is_over, "the end of the server's patience")


@pytest.mark.parametrize(
    "path", ["/runs?limit=100000", "/alerts?limit=100000", "/tasks?per_page=100000", "/audit?n=9999"]
)
def test_nobody_asks_for_a_page_of_another_size(ground: Ground, path: str) -> None:
    assert ground.visitor("admin").get(path).status == 400


def test_pages_of_the_api_have_a_most(ground: Ground) -> None:
    caller = Caller(ground.dashboard, make_key(ground.dashboard.house, "admin", "admin"))

    for path in (
        "/runs?limit=100000",
        "/alerts?limit=100000",
        "/audit?limit=100000",
        "/tasks/printer/next?count=100000",
    ):
        caller.fails(400, "GET", path)


def test_nothing_can_be_uploaded_as_a_file(ground: Ground) -> None:
    admin = ground.visitor("admin")
    admin.get("/tasks/new")
    before = ground.tables()
    body = (
        f'--x\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{admin.token}\r\n'
        f'--x\r\nContent-Disposition: form-data; name="script"; filename="x.sh"\r\n\r\n{"y" * 500_000}\r\n--x--\r\n'
    ).encode()

    answer = admin.dashboard.ask(
        "/tasks/new", "POST", body=body, headers={**admin._headers(), "Content-Type": "multipart/form-data; boundary=x"}
    )

    assert answer.status in (200, 400, 403)
    assert ground.tables() == before
    assert not list(ground.dashboard.house.home.rglob("x.sh"))
