"""What can be had without a login: two words, and nothing else (SECURITY 1, 17, 20, 34, 38, 43)."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import sqlite3
import stat
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.process.cli import wait_until
from tests.web.conftest import ANSWER_SECONDS, Answer, Dashboard, House, served

pytestmark = pytest.mark.slow

ROUTES = ("/healthz", "/readyz", "/metrics", "/ping/nobodysnobodysnobodysno", "/ping/nobodysnobodysnobodysno/start")
ELSEWHERE = (
    "/nothing", "/admin/", "/logins", "/.git/config", "/.env", "/static/", "/static/../state/web.key",
    "/docs", "/healthz/", "/healthz/..", "/%2e%2e/state/web.key", "/ping", "/ping/",
    "/ping/x/256", "/ping/x/-1", "/ping/x/%D9%A1", "/metrics/", "/favicon.ico", "//healthz", "/%00",
)  # fmt: skip


def assert_dressed(answer: Answer) -> None:
    headers = answer.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] in ("no-referrer", "same-origin")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert not {"server", "set-cookie", "x-powered-by", "access-control-allow-origin"} & set(headers)


@pytest.mark.parametrize("path", ELSEWHERE)
def test_what_is_not_there_is_not_found_in_the_same_words_everywhere(dashboard: Dashboard, path: str) -> None:
    # What looks like a ping takes the methods of one.
    for method in ("GET", "POST", *(() if path.startswith("/ping/x/") else ("OPTIONS",))):
        answer = dashboard.ask(path, method)
        assert (answer.status, answer.body) == (404, b"Not found.\n"), method
        assert_dressed(answer)


def test_an_unknown_key_is_answered_as_any_address_that_is_not_there(dashboard: Dashboard) -> None:
    unknown = dashboard.ask("/ping/nobodysnobodysnobodysno")
    nowhere = dashboard.ask("/ping/")

    varying = {"date"}
    assert (unknown.status, unknown.body) == (nowhere.status, nowhere.body)
    assert {n: v for n, v in unknown.headers.items() if n not in varying} == {
        n: v for n, v in nowhere.headers.items() if n not in varying
    }


def test_health_says_two_words_and_no_more(dashboard: Dashboard) -> None:
    ready = dashboard.ask("/readyz")
    healthy = dashboard.ask("/healthz")

    assert (ready.status, ready.body) == (200, b"ok\n")
    # Nobody has looked at this home yet, so nobody knows that it is well.
    assert (healthy.status, healthy.body) == (503, b"unavailable\n")
    assert dashboard.ask("/readyz", "HEAD").body == b""
    for answer in (ready, healthy):
        assert_dressed(answer)


def test_health_is_ok_once_the_newest_checks_found_nothing_grave(dashboard: Dashboard) -> None:
    note(dashboard, "ok")
    wait_until(lambda: dashboard.ask("/healthz").status == 200, "a healthy word")

    note(dashboard, "critical")
    wait_until(lambda: dashboard.ask("/healthz").status == 503, "an unhealthy word")


def note(dashboard: Dashboard, status: str) -> None:
    with contextlib.closing(database(dashboard)) as rows:
        rows.execute(
            "INSERT INTO smart_cron_health_checks (check_name, status, message) VALUES ('memory', ?, 'x')", [status]
        )
        rows.commit()


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer x", "Basic eDp5", "bearer \xff", "Bearer " + "k" * 5000])
def test_metrics_are_for_whoever_has_the_key(dashboard: Dashboard, given: str) -> None:
    answer = dashboard.ask("/metrics", headers={"Authorization": given} if given else {})

    assert (answer.status, answer.body) == (401, b"A key is needed.\n")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert_dressed(answer)


def test_metrics_are_what_prometheus_reads(dashboard: Dashboard) -> None:
    answer = dashboard.ask("/metrics", headers={"Authorization": f"Bearer {dashboard.metrics_key}"})

    assert answer.status == 200
    names = {family.name for family in text_string_to_metric_families(answer.body.decode())}
    assert "smart_cron_build_info" in names
    assert_dressed(answer)


@pytest.mark.parametrize("name", ["web.key", "metrics.key"])
def test_keys_are_random_and_for_their_owner_alone(dashboard: Dashboard, name: str) -> None:
    path = dashboard.house.home / "state" / name

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().strip()) >= 50


@pytest.mark.parametrize("method", ["TRACE", "CONNECTED", "PROPFIND", "get"])
def test_odd_methods_are_refused(dashboard: Dashboard, method: str) -> None:
    answer = dashboard.ask("/healthz", method)

    assert answer.status == 405
    assert_dressed(answer)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_what_is_only_read_takes_no_other_method(dashboard: Dashboard, path: str, method: str) -> None:
    answer = dashboard.ask(path, method, headers={"Authorization": f"Bearer {dashboard.metrics_key}"})

    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"


def test_a_name_that_is_not_ours_is_refused(dashboard: Dashboard) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "a b", "localhost@evil.example"):
        answer = dashboard.ask("/readyz", headers={"Host": host})
        assert answer.status == 400, host
        assert_dressed(answer)


def database(dashboard: Dashboard) -> sqlite3.Connection:
    return sqlite3.connect(dashboard.house.home / "state" / "smart-cron.db", timeout=60)


def contents(dashboard: Dashboard) -> list[str]:
    """All rows but counters of who asked how often; that a web server listens is said each minute by itself."""
    with contextlib.closing(database(dashboard)) as rows:
        rows.execute("DELETE FROM smart_cron_rate_limits")
        rows.execute("DELETE FROM sqlite_sequence WHERE name = 'smart_cron_rate_limits'")
        rows.execute("UPDATE smart_cron_ping_checks SET listened_at = NULL, back_at = NULL")
        dump = list(rows.iterdump())
        rows.rollback()
        return dump


def test_reading_changes_nothing(dashboard: Dashboard) -> None:
    dashboard.add_check("unchanged")
    before = contents(dashboard)

    key = {"Authorization": f"Bearer {dashboard.metrics_key}"}
    for path in (*ROUTES, *ELSEWHERE):
        for method in ("GET", "HEAD", "OPTIONS"):
            dashboard.ask(path, method, headers=key)

    assert contents(dashboard) == before


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


def raw(dashboard: Dashboard, data: bytes) -> bytes:
    """Send bytes and return all that comes back until the end, which asking to send no more brings about."""
    with socket.create_connection(("127.0.0.1", dashboard.port), timeout=ANSWER_SECONDS) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65_536):
                found += piece
    return found


def test_500_connections_that_say_nothing_or_little_keep_nobody_out(dashboard: Dashboard) -> None:
    with contextlib.ExitStack() as held:
        for number in range(500):
            connection = socket.create_connection(("127.0.0.1", dashboard.port), timeout=ANSWER_SECONDS)
            held.enter_context(connection)
            connection.sendall((b"", b"GET /hea", b"POST /ping/x HTTP/1.1\r\nContent-Length: 9\r\n\r\nx")[number % 3])

        assert dashboard.ask("/readyz").status == 200


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


def test_a_fault_is_told_by_a_number_and_in_no_other_words(make_house: Callable[..., House]) -> None:
    boom = (
        "from smart_cron.faces.web import pulse\n"
        "async def get(self):\n    raise RuntimeError('canary /etc/passwd')\n"
        "pulse.Answer.get = get"
    )
    failing = served(make_house(), code=boom)

    answer = failing.ask("/readyz?secret=1")

    assert answer.status == 500
    found = re.fullmatch(rb"Something went wrong here; the log says more under ([0-9a-f]{8})\.\n", answer.body)
    assert found, answer.body
    assert_dressed(answer)
    log = failing.house.log()
    assert found[1] in log
    assert b"canary" in log
    assert b"secret=1" not in log
