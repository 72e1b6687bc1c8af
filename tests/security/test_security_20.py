"""SECURITY 20: every answer says what a browser may do with it, refusals and faults among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.security.ground import Ground
from tests.web.api_callers import Caller, make_key
from tests.web.conftest import Answer, Dashboard, House, housed, make_house, served
from tests.web.visitors import Visitor, add_users

__all__ = ["make_house"]
pytestmark = pytest.mark.slow
# A page, a stream, the API and a door each break under this code.
BOOM = (
    "def boom(*_, **__): raise RuntimeError('canary')\n"
    "from smart_cron.faces.web import pulse\n"
    "pulse.Answer.get = boom\n"
    "from smart_cron.store.board import Board\n"
    "Board.page = boom\n"
)


def directives(policy: str) -> dict[str, list[str]]:
    return {words[0]: words[1:] for words in (part.split() for part in policy.split(";")) if words}


def faults_of(answer: Answer, *, is_secure: bool = False) -> list[str]:
    """Return what is wrong with the headers."""
    headers, policy = answer.headers, directives(answer.headers.get("content-security-policy", ""))
    nothing = policy.get("default-src") == ["'none'"]
    scripts = policy.get("script-src", policy.get("default-src", ["*"]))
    right = {
        "default-src none": nothing,
        "scripts of ours alone": set(scripts) <= {"'self'", "'none'"},
        "styles of ours alone": set(policy.get("style-src", ["'none'"] if nothing else ["*"])) <= {"'self'", "'none'"},
        "object-src none": policy.get("object-src", ["'none'"] if nothing else ["*"]) == ["'none'"],
        "base-uri none": policy.get("base-uri") == ["'none'"],
        "frame-ancestors none": policy.get("frame-ancestors") == ["'none'"],
        "form-action": set(policy.get("form-action", ["*"])) <= {"'self'", "'none'"},
        "nosniff": headers.get("x-content-type-options") == "nosniff",
        "referrer": headers.get("referrer-policy") in ("no-referrer", "same-origin"),
        "frames": headers.get("x-frame-options") == "DENY",
        "permissions": "camera=()" in headers.get("permissions-policy", ""),
        "says nothing of itself": not {"server", "x-powered-by", "via"} & set(headers),
        "strict transport": ("strict-transport-security" in headers) == is_secure,
    }
    return [name for name, holds in right.items() if not holds]


def test_every_page_and_operation_wears_them(ground: Ground) -> None:
    admin = ground.visitor("admin")

    for path in ground.everything.addresses(ground.values):
        if not path.startswith("/stream/") and not path.startswith("/static/"):
            for visitor in (admin, Visitor(ground.dashboard)):
                assert faults_of(visitor.get(path)) == [], path


@pytest.fixture(scope="module")
def breaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    few = {"WEB__SEARCHES_PER_MINUTE": "1", "WEB__API_CALLS_PER_MINUTE": "3"}
    with housed(tmp_path_factory.mktemp("home"), **few) as house:
        dashboard = served(house, code=BOOM)
        add_users(dashboard, ["viewer", "editor"])
        yield dashboard


ERRORS: dict[str, tuple[int, Callable[[Visitor], Answer]]] = {
    "field that there is not": (400, lambda visitor: visitor.get("/alerts?nothing=1")),
    "host that is not ours": (400, lambda visitor: visitor.get("/", {"Host": "evil.example"})),
    "stream without a login": (401, lambda visitor: visitor.dashboard.ask("/stream/home")),
    "operation without a login": (401, lambda visitor: visitor.dashboard.ask("/api/v1/tasks")),
    "token": (403, lambda visitor: visitor.post("/alerts/change", csrfmiddlewaretoken="x")),
    "role": (403, lambda visitor: visitor.get("/settings/users")),
    "stream from elsewhere": (403, lambda visitor: visitor.get("/stream/home", {"Origin": "http://evil.example"})),
    "nothing there": (404, lambda visitor: visitor.get("/nothing")),
    "nothing there for anybody": (404, lambda visitor: visitor.dashboard.ask("/nothing")),
    "no such run": (404, lambda visitor: visitor.get("/runs/999")),
    "no such stream": (404, lambda visitor: visitor.get("/stream/nothing")),
    "no such file": (404, lambda visitor: visitor.get("/static/nothing.js")),
    "method": (405, lambda visitor: visitor.get("/logout")),
    "method of a stream": (405, lambda visitor: visitor.post("/stream/home")),
    "unknown method": (405, lambda visitor: visitor.dashboard.ask("/", "TRACE")),
    "body": (413, lambda visitor: visitor.dashboard.ask("/login", "POST", headers={"Content-Length": "99999999"})),
    "address": (414, lambda visitor: visitor.get("/" + "a" * 3000)),
    "headers": (431, lambda visitor: visitor.get("/", {f"X-{number}": "x" * 500 for number in range(40)})),
    "searches": (429, lambda visitor: [visitor.get("/search?q=x") for _ in range(2)][-1]),
    "page that breaks": (500, lambda visitor: visitor.get("/tasks")),
    "door that breaks": (500, lambda visitor: visitor.dashboard.ask("/readyz")),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_errors_wear_them_too(breaking: Dashboard, kind: str) -> None:
    visitor = viewer_of(breaking)
    status, ask = ERRORS[kind]

    answer = ask(visitor)

    assert answer.status == status, answer.body[:200]
    assert faults_of(answer) == []


_KEPT: dict[int, Visitor] = {}


def viewer_of(dashboard: Dashboard) -> Visitor:
    if dashboard.port not in _KEPT:
        _KEPT[dashboard.port] = Visitor(dashboard)
        _KEPT[dashboard.port].log_in("viewer")
    return _KEPT[dashboard.port]


def test_errors_of_the_api_wear_them_too(breaking: Dashboard) -> None:
    caller, stuck = Caller(breaking, make_key(breaking.house, "editor", "editor")), Caller(breaking, "sc_x")
    answers = {
        400: caller.ask("GET", "/tasks?nothing=1"),
        401: stuck.ask("GET", "/tasks"),
        403: caller.ask("GET", "/audit"),
        404: caller.ask("GET", "/tasks/nothing"),
        415: caller.ask("PATCH", "/tasks/x", b"x", Content_Type="text/plain"),
        429: [caller.ask("GET", "/nodes") for _ in range(3)][-1],
    }

    assert {status: answer.status for status, answer in answers.items()} == {status: status for status in answers}
    assert {status: faults_of(answer) for status, answer in answers.items() if faults_of(answer)} == {}


def test_behind_tls_strict_transport_is_demanded_on_errors_too(make_house: Callable[..., House]) -> None:
    dashboard = served(make_house(WEB__ALLOWED_HOSTS='["cron.example.org"]'), "--behind-proxy")
    by_proxy = {"Host": "cron.example.org", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}

    for path, status in (("/login", 200), ("/nothing", 404), ("/stream/home", 401), ("/logout", 405), ("/readyz", 200)):
        answer = dashboard.ask(path, headers=by_proxy)
        assert (answer.status, faults_of(answer, is_secure=True)) == (status, []), path
    refused = dashboard.ask("/login", "POST", headers={**by_proxy, "Content-Length": "99999999"})
    assert (refused.status, faults_of(refused, is_secure=True)) == (413, [])
