"""SECURITY 43: what may be read in two ways, or in none, is refused: at the door, at pages and with a session."""

from __future__ import annotations

import pytest
from tests.security.ground import Ground
from tests.web.conftest import Dashboard, dashboard
from tests.web.visitors import Visitor
from tests.web.wire import raw

__all__ = ["dashboard"]
pytestmark = pytest.mark.slow
PERCENT = (
    "/%",
    "/%0",
    "/%zz",
    "/tasks/%",
    "/tasks/%e",
    "/runs/%ff%fe",
    "/%c0%ae%c0%ae/",
    "/tasks/%00",
    "/tasks/a%0d%0aX:%20y",
)


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: +5\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"X: a\x00b\r\n",
    ],
)
def test_smuggling_gets_at_most_one_answer(dashboard: Dashboard, head: bytes) -> None:
    inner = b"0\r\n\r\nGET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"

    answer = raw(dashboard, b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n" + inner)

    assert answer.count(b"HTTP/1.1 ") <= 1, answer
    assert b"HTTP/1.1 200" not in answer
    assert b"ok\n" not in answer


def test_what_is_no_http_is_refused_with_the_same_headers(dashboard: Dashboard) -> None:
    answer = raw(dashboard, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"nosniff" in answer
    assert answer.endswith(b"\r\n\r\nBad request.\n")


SHAPES: dict[str, bytes] = {
    "length and chunks": b"Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunks and length": b"Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n",
    "two lengths": b"Content-Length: {length}\r\nContent-Length: 0\r\n\r\n",
    "two lengths in one": b"Content-Length: {length}, 0\r\n\r\n",
    "a length of letters": b"Content-Length: {length}x\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a space before the colon": b"Content-Length : {length}\r\n\r\n",
    "a name with nothing": b": x\r\nContent-Length: {length}\r\n\r\n",
    "an odd encoding": b"Transfer-Encoding: xchunked\r\n\r\n",
    "a bare line feed in a value": b"X: a\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a bare return in a value": b"X: a\rContent-Length: 0\r\nContent-Length: {length}\r\n\r\n",
    "a folded header": b"X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: {length}\r\nContent-Length: 1\r\n\r\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_form_of_somebody_who_is_logged_in_carries_no_second_request(ground: Ground, shape: str) -> None:
    """The second one would disable a task, by the very session and token of the first."""
    admin = ground.visitor("admin")
    admin.get("/tasks/printer")
    before = ground.tables()
    cookies = admin._headers()["Cookie"]
    form = f"csrfmiddlewaretoken={admin.token}&enabled=0"
    hidden = (
        f"0\r\n\r\nPOST /tasks/printer/switch HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n{form}"
    ).encode()
    head = SHAPES[shape].replace(b"{length}", str(len(hidden)).encode())

    answer = raw(
        ground.dashboard,
        f"POST /login HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\n".encode() + head + hidden,
    )

    assert answer.count(b"HTTP/1.1 ") <= 1
    assert not answer or answer.split()[1] in (b"400", b"403", b"413"), answer
    assert ground.tables() == before


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\nHost: localhost\n\n",
        b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / /login HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
    ],
)
def test_an_odd_first_line_gets_no_page(ground: Ground, line: bytes) -> None:
    answer = raw(ground.dashboard, line)

    assert answer.count(b"HTTP/1.1 ") <= 1
    assert not answer or answer.split()[1] in (b"400", b"302"), answer
    assert b"csrfmiddlewaretoken" not in answer


@pytest.mark.parametrize("path", PERCENT)
def test_odd_percent_codes_are_nothing_that_is_there(ground: Ground, path: str) -> None:
    admin = ground.visitor("admin")

    for visitor in (admin, Visitor(ground.dashboard)):
        assert visitor.get(path).status in (302, 400, 404)
        answer = visitor.get(f"/alerts?task={path}")
        assert answer.status in (200, 302, 400)
        assert "x" not in answer.headers


def test_overlong_addresses_are_refused_whoever_sends_them(ground: Ground) -> None:
    admin = ground.visitor("admin")

    for path in ("/" + "a" * 3000, "/tasks/" + "a" * 2000, "/tasks?q=" + "a" * 3000, "/stream/" + "a" * 3000):
        assert admin.get(path).status == 414
    assert admin.get("/tasks/" + "a" * 1900).status == 404
