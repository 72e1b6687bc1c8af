"""SECURITY 13: a session is new with each login, random, taken from its cookie alone, and dead when it is over."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from tests.web.conftest import Dashboard, housed, served
from tests.web.factors import set_up
from tests.web.visitors import PASSWORD, Visitor, add_users

pytestmark = pytest.mark.slow
COOKIE = "smart_cron_session"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with housed(tmp_path_factory.mktemp("home")) as house:
        found = served(house)
        add_users(found, ["viewer"])
        add_users(found, ["leaving", "factored"], role="viewer")
        yield found


def logged_in(serving: Dashboard, name: str = "viewer") -> Visitor:
    visitor = Visitor(serving)
    assert visitor.log_in(name).status == 302
    return visitor


def is_open(serving: Dashboard, session: str) -> bool:
    return Visitor(serving, {COOKIE: session}).get("/account").status == 200


def test_a_session_that_somebody_planted_is_not_the_one_that_is_logged_in(serving: Dashboard) -> None:
    thief = Visitor(serving)
    thief.get("/login")
    for planted in ("a" * 32, thief.cookies.get(COOKIE, "b" * 32)):
        victim = Visitor(serving, {COOKIE: planted})
        victim.log_in("viewer")
        assert victim.cookies[COOKIE] != planted
        assert not is_open(serving, planted)


def test_logging_in_again_makes_another_one_and_the_old_one_is_dead(serving: Dashboard) -> None:
    visitor = logged_in(serving)
    old = visitor.cookies[COOKIE]
    visitor.post("/logout")
    visitor.log_in("viewer")

    assert visitor.cookies[COOKIE] != old
    assert (is_open(serving, visitor.cookies[COOKIE]), is_open(serving, old)) == (True, False)


def test_the_step_between_password_and_code_is_no_session_and_another_one_follows(serving: Dashboard) -> None:
    set_up(logged_in(serving, "factored"))
    visitor = Visitor(serving)
    visitor.log_in("factored")

    assert not is_open(serving, visitor.cookies[COOKIE])


def test_names_of_sessions_are_random_and_never_come_twice(serving: Dashboard) -> None:
    sessions = [logged_in(serving).cookies[COOKIE] for _ in range(12)]

    alphabet = set("abcdefghijklmnopqrstuvwxyz0123456789")
    assert len(set(sessions)) == len(sessions)
    for session in sessions:
        assert set(session) <= alphabet
        assert len(session) * math.log2(len(alphabet)) >= 128
    # Each place takes its letters anew: no counter, no clock, no beginning in common.
    assert all(len({session[place] for session in sessions}) > 3 for place in range(len(sessions[0])))


def test_it_is_taken_from_no_address_form_or_header(serving: Dashboard) -> None:
    session = logged_in(serving).cookies[COOKIE]

    for path in (f"/account?{COOKIE}={session}", f"/account;{COOKIE}={session}", f"/stream/home?{COOKIE}={session}"):
        assert serving.ask(path).status in (302, 401, 404)
    for name in ("Authorization", "X-Session", COOKIE):
        assert serving.ask("/account", headers={name: session}).status == 302
    assert serving.ask("/api/v1/tasks", headers={"Authorization": f"Bearer {session}"}).status == 401


def test_it_is_in_no_page_and_no_log(serving: Dashboard) -> None:
    visitor = logged_in(serving)
    session = visitor.cookies[COOKIE].encode()

    for path in ("/", "/account", "/account/sessions", "/settings", "/tasks"):
        assert session not in visitor.get(path).body
    assert session not in serving.house.log()
    assert session not in serving.house.sure("audit", "list", "--json")


def test_it_is_dead_after_logout_and_when_its_user_is_disabled(serving: Dashboard) -> None:
    out, disabled = logged_in(serving), logged_in(serving, "leaving")
    assert is_open(serving, out.cookies[COOKIE])
    kept = dict(out.cookies)

    out.post("/logout")
    serving.house.sure("user", "disable", "leaving")
    assert not is_open(serving, kept[COOKIE])
    assert not is_open(serving, disabled.cookies[COOKIE])
    assert Visitor(serving, kept).get("/stream/home").status == 401

    serving.house.sure("user", "enable", "leaving")
    assert not is_open(serving, disabled.cookies[COOKIE]), "it does not come back with them"
    assert Visitor(serving).log_in("leaving", PASSWORD).status == 302
