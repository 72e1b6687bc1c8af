"""SECURITY 1: without a cookie every address is a refusal or the way to the login, and tells nothing."""

from __future__ import annotations

import pytest
from tests.security.ground import CANARY, Ground
from tests.web.conftest import Answer

pytestmark = pytest.mark.slow
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE")
# What is for everybody: the way in, two words for whoever watches the machine, and files that every installation has.
OPEN = {
    "/login": 200,
    "/login/second": 302,
    "/login/passkey": 302,
    "/readyz": 200,
    "/healthz": 503,
    "/static/app.css": 200,
}
ELSEWHERE = (
    "/.git/config", "/.git/HEAD", "/.env", "/.htaccess", "/.well-known/security.txt", "/static/", "/static/vendor/",
    "/static/../state/web.key", "/static/%2e%2e/settings.py", "/state/web.key", "/smart-cron.db", "/smart-cron.toml",
    "/admin/", "/docs", "/redoc", "/swagger", "/openapi.json", "/api", "/api/", "/api/v1", "/api/v1/", "/api/v2/tasks",
    "/debug", "/__debug__/", "/metrics.txt", "/server-status", "/stream/", "/stream/nothing", "/stream/output/", "/ws",
    "/accounts/signup/", "/signup", "/account/email", "/password/reset/", "/backup.sql.gz", "/log/", "/runs/1/raw/",
)  # fmt: skip


def tells_something(answer: Answer) -> bool:
    words = (CANARY, "printer", "invoices", "orders", "web-1", "csrfmiddlewaretoken", "Traceback", "/site-packages/")
    return any(word.encode() in answer.body for word in words)


def test_no_address_is_open_but_those_that_are_meant_to_be(ground: Ground) -> None:
    wrong = []
    addresses = [*ground.everything.addresses(ground.values), f"/setup/{'x' * 43}", *ELSEWHERE]
    before = ground.tables("smart_cron_audit_log", "smart_cron_audit_head")

    for path in addresses:
        for method in METHODS:
            answer = ground.dashboard.ask(path, method)
            if path in OPEN and method in ("GET", "HEAD"):
                is_right = answer.status == OPEN[path]
            else:
                to_login = answer.status == 302 and answer.headers["location"].startswith("/login?next=/")
                is_right = to_login or answer.status in (401, 403, 404, 405)
            if not is_right or (tells_something(answer) and path != "/login"):
                wrong.append((method, path, answer.status, answer.body[:80]))

    assert wrong == []
    assert len(addresses) > 120
    assert ground.tables("smart_cron_audit_log", "smart_cron_audit_head") == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": "smart_cron_session=" + "a" * 32},
        {"Cookie": "smart_cron_session=;"},
        {"Cookie": "sessionid=x; smart_cron_known=admin:x:y"},
        {"Authorization": "Bearer sc_00000000_" + "x" * 43},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"X-Forwarded-User": "admin", "Remote-User": "admin", "X-Remote-User": "admin"},
        {"X-Original-URL": "/login", "X-Rewrite-URL": "/login"},
        {"X-HTTP-Method-Override": "GET"},
    ],
    ids=[
        "no such session",
        "empty",
        "other cookies",
        "no such key",
        "basic",
        "claimed user",
        "rewritten",
        "overridden",
    ],
)
def test_what_a_client_says_of_itself_opens_nothing(ground: Ground, headers: dict[str, str]) -> None:
    for path in ("/", "/tasks", "/runs/1/raw", "/settings/users", "/api/v1/tasks", "/stream/home", "/api/v1/docs"):
        answer = ground.dashboard.ask(path, headers=headers)

        assert answer.status in (302, 401), path
        assert not tells_something(answer)


def test_metrics_need_their_own_key(ground: Ground) -> None:
    assert ground.dashboard.ask("/metrics").status == 401
    assert ground.dashboard.ask("/metrics", headers={"Authorization": "Bearer x"}).status == 401
    key = {"Authorization": f"Bearer {ground.dashboard.metrics_key}"}
    assert ground.dashboard.ask("/metrics", headers=key).status == 200
    # And it opens nothing else.
    assert ground.dashboard.ask("/api/v1/tasks", headers=key).status == 401
