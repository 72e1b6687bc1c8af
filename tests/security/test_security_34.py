"""SECURITY 34: a fault is told by a number, whatever it broke; the log has the rest. No debugging anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from tests.web.api_callers import Caller, make_key
from tests.web.conftest import Answer, House, make_house, served
from tests.web.visitors import PASSWORD, Visitor, add_users

__all__ = ["make_house"]
pytestmark = pytest.mark.slow
PAGES_BREAK = """
def boom(*_, **__):
    raise RuntimeError("canary SELECT * FROM secrets /etc/passwd")
from smart_cron.faces.web import application
_open = application.application
def _opened(premises):
    store, found = premises.store, _open(premises)
    for port, name in ((store.board, "page"), (store.tasks, "list")):
        setattr(type(port), name, boom)
    return found
application.application = _opened
"""
TELLING = ("canary", "SELECT", "/etc/passwd", "Traceback", "RuntimeError", ".py", "Django", "Python", "0.1.0", "line ")


def words_of(answer: Answer) -> str:
    return answer.body.decode().replace('type": "about:blank', "")


def test_a_page_and_an_operation_tell_a_number_alone(make_house: Callable[..., House]) -> None:
    failing = served(make_house(), code=PAGES_BREAK)
    add_users(failing, ["admin"])
    admin, caller = Visitor(failing), Caller(failing, make_key(failing.house, "admin", "admin"))
    admin.log_in("admin")

    for answer in (
        admin.get("/tasks?q=secret-word"),
        caller.ask("GET", "/tasks"),
    ):
        words = words_of(answer)
        assert answer.status == 500, words
        assert [each for each in TELLING if each in words] == []
        found = re.search(r"the log says more under ([0-9a-f]{8})", words)
        assert found, words
        line = next(line for line in failing.house.log().splitlines() if found[1].encode() in line)
        context = json.loads(line)["context"]
        assert "canary" in context["reason"]
        assert "secret-word" not in str(context)


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
    log = failing.house.log()
    assert found[1] in log
    assert b"canary" in log
    assert b"secret=1" not in log


def test_what_is_not_there_is_told_without_a_list_of_what_is(make_house: Callable[..., House]) -> None:
    serving = served(make_house())
    add_users(serving, ["admin"])
    admin = Visitor(serving)
    admin.log_in("admin")

    for visitor in (admin, Visitor(serving)):
        body = visitor.get("/nothing-of-that-name").body.decode()
        assert "urlpatterns" not in body
        assert "DEBUG" not in body
        assert "nothing-of-that-name" not in body


MANY_FIELDS = "?" + "a&" * 900
# As many as one address may try in a minute.
NO_PASSKEYS = (
    '{"id":"x"}',
    '{"id":1e999}',
    '{"rawId":1e999}',
    '{"rawId":"AA","response":[]}',
    '{"id":"AA","rawId":"AA","response":{"clientDataJSON":"AA","authenticatorData":"AA","signature":"AA"}}',
    '{"rawId":"AA","response":{"userHandle":"AA"}}',
    "[1]",
    "1",
    "9" * 5000,
    "[" * 20_000,
)


def faults(house: House) -> list[bytes]:
    return [line for line in house.log().splitlines() if b"Request failed" in line]


def test_what_a_stranger_sends_is_refused_and_no_fault_of_ours(make_house: Callable[..., House]) -> None:
    serving = served(make_house())
    add_users(serving, ["admin"])
    stranger = Visitor(serving)

    for origin in ("http://[", "http://[::1", "http://]"):
        assert stranger.get("/stream/home", {"Origin": origin}).status == 403, origin
    assert stranger.get(f"/login{MANY_FIELDS}").status == 400
    stranger.get("/login")
    for credential in NO_PASSKEYS:
        answer = stranger.post("/login/passkey", credential=credential)
        assert (answer.status, answer.headers.get("location")) == (302, "/login"), credential[:50]
    assert b"Incorrect code." in stranger.get("/login").body
    assert faults(serving.house) == []


def test_what_a_user_sends_is_refused_and_no_fault_of_ours(make_house: Callable[..., House]) -> None:
    serving = served(make_house())
    add_users(serving, ["admin"])
    admin, caller = Visitor(serving), Caller(serving, make_key(serving.house, "admin", "admin"))
    admin.log_in("admin")

    for path in ("/", "/tasks", "/audit", "/stream/home", "/stream/log"):
        answer = admin.get(f"{path}{MANY_FIELDS}")
        assert (answer.status, answer.body) == (400, b"Bad request.\n"), path
    caller.fails(400, "GET", f"/tasks{MANY_FIELDS}")
    admin.post("/account/fresh", password=PASSWORD, next="/account/passkeys/add")
    admin.get("/account/passkeys/add")
    for credential in NO_PASSKEYS:
        assert admin.post("/account/passkeys/add", name="x", credential=credential).status == 200, credential[:50]
    assert faults(serving.house) == []
