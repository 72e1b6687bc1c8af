"""SECURITY 16: a change without its token, with another one's, or from a page elsewhere is refused and not made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest
from tests.security.ground import Ground
from tests.web.addresses import Operation
from tests.web.conftest import Answer
from tests.web.visitors import Visitor

pytestmark = pytest.mark.slow
FOREIGN = ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"})
FIELDS: Mapping[str, str] = {"action": "disable", "wish": "drop", "name": "printer", "role": "viewer"}


@pytest.fixture(scope="module")
def admin(ground: Ground) -> Visitor:
    return ground.visitor("admin")


@pytest.fixture(scope="module")
def other(ground: Ground) -> Visitor:
    return ground.visitor("editor")


Send = Callable[[Visitor, str], Answer]
WAYS: Mapping[str, Send] = {
    "without": lambda visitor, path: visitor.post(path, csrfmiddlewaretoken="", **FIELDS),
    "wrong": lambda visitor, path: visitor.post(path, csrfmiddlewaretoken="x" * 64, **FIELDS),
    **{
        str(headers): lambda visitor, path, headers=headers: visitor.post(path, headers, **FIELDS)  # type: ignore[misc]
        for headers in FOREIGN
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_every_form_of_every_page_is_refused_without_its_token(ground: Ground, admin: Visitor, way: str) -> None:
    admin.get("/account/password")
    before = ground.tables()
    changing = [page for page in ground.everything.pages if page.change != "None"]
    assert len(changing) >= 25

    statuses = {page.path: WAYS[way](admin, page.address(ground.values)).status for page in changing}

    assert {path: status for path, status in statuses.items() if status != 403} == {}
    assert ground.tables() == before
    assert admin.get("/").status == 200, "nobody was logged out"


def test_a_token_of_another_session_is_none(ground: Ground, admin: Visitor, other: Visitor) -> None:
    admin.get("/account/password")
    other.get("/account/password")
    before = ground.tables()

    for page in ground.everything.pages:
        if page.change != "None":
            answer = admin.post(page.address(ground.values), csrfmiddlewaretoken=other.token, **FIELDS)
            assert answer.status == 403, page

    assert ground.tables() == before


def ask(admin: Visitor, each: Operation, path: str, headers: Mapping[str, str]) -> Answer:
    cookies = "; ".join(f"{name}={value}" for name, value in admin.cookies.items())
    body = json.dumps({"reason": "x", "priority": 1}).encode() if each.has_body else b""
    given = {"Cookie": cookies, "Content-Type": "application/json", **headers}
    return admin.dashboard.ask(path, each.method, body=body, headers=given)


@pytest.mark.parametrize(
    "headers", [{}, {"X-CSRFToken": "x" * 64}, *({"X-CSRFToken": "ours", **each} for each in FOREIGN)], ids=str
)
def test_every_operation_by_a_session_is_refused_without_its_token(
    ground: Ground, admin: Visitor, headers: Mapping[str, str]
) -> None:
    admin.get("/account/password")
    before = ground.tables()
    changing = [each for each in ground.everything.operations if each.method not in ("GET", "HEAD")]
    assert len(changing) >= 14
    if headers.get("X-CSRFToken") == "ours":
        headers = {**headers, "X-CSRFToken": admin.token}

    for each in changing:
        answer = ask(admin, each, each.address(ground.values), headers)
        assert answer.status == 403, (each, answer.status, answer.body)

    assert ground.tables() == before


def test_with_its_token_the_same_form_works(ground: Ground, admin: Visitor) -> None:
    """So that the refusals above are none of something else."""
    admin.get("/account/sessions")

    assert admin.post("/account/sessions", end="others").status == 302
