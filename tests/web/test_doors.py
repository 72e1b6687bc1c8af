"""What can be had without a login: two words, and nothing else (SECURITY 1, 17, 20)."""

from __future__ import annotations

import contextlib
import sqlite3
import stat

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.process.cli import wait_until
from tests.web.conftest import Answer, Dashboard

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
        for path in ("/readyz", "/login", "/static/app.css", "/stream/home", "/api/v1/status"):
            answer = dashboard.ask(path, headers={"Host": host, "Origin": f"http://{host}"})
            assert (answer.status, answer.body) == (400, b"Bad request.\n"), (host, path)
            assert_dressed(answer)
    assert dashboard.ask("/static/app.css", headers={"Host": "localhost"}).status == 200


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
