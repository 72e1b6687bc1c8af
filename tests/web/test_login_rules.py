"""Passwords, sessions, lockouts and second factors over HTTP (SECURITY 8, 9, 10, 12, 13, 14, 41)."""

from __future__ import annotations

import base64
import hmac
import json
import re
import struct
import time
from collections.abc import Callable

import pytest
from tests.web.conftest import Dashboard, House, make_house, served
from tests.web.visitors import PASSWORD, Visitor, add_users

__all__ = ["make_house"]
pytestmark = pytest.mark.slow
ANOTHER = "another long password"


@pytest.fixture
def serving(make_house: Callable[..., House]) -> Dashboard:
    found = served(make_house(WEB__FAILURES_UNTIL_LOCKED="3"))
    add_users(found, ["viewer", "admin"])
    return found


def test_a_name_is_locked_for_an_address_alike_whether_somebody_has_it(serving: Dashboard) -> None:
    visitor = Visitor(serving)
    said = []
    for name in ("viewer", "nobody"):
        statuses = [visitor.log_in(name, "wrong").status for _ in range(4)]
        said.append(statuses)

    assert said[0] == said[1] == [200, 200, 429, 429]
    assert Visitor(serving).log_in("viewer").status == 429
    assert Visitor(serving).log_in("admin").status == 302
    serving.house.sure_with(f"{ANOTHER}\n", "user", "passwd", "viewer")
    assert Visitor(serving).log_in("viewer", ANOTHER).status == 302


@pytest.mark.parametrize("words", [("passwd", "viewer"), ("disable", "viewer"), ("reset-mfa", "viewer")])
def test_sessions_end_with_what_the_console_changes(serving: Dashboard, words: tuple[str, str]) -> None:
    visitor = Visitor(serving)
    visitor.log_in("viewer")
    assert visitor.get("/account").status == 200

    serving.house.sure_with(f"{ANOTHER}\n", "user", *words)

    assert visitor.get("/account").status == 302


def test_changing_a_password_asks_for_the_old_one_and_ends_all_other_sessions(serving: Dashboard) -> None:
    here, there = Visitor(serving), Visitor(serving)
    here.log_in("viewer")
    there.log_in("viewer")
    here.get("/account/password")

    wrong = here.post("/account/password", oldpassword="wrong", password1=ANOTHER, password2=ANOTHER)
    assert wrong.status == 200
    assert there.get("/account").status == 200
    done = here.post("/account/password", oldpassword=PASSWORD, password1=ANOTHER, password2=ANOTHER)
    assert done.status == 302
    assert (here.get("/account").status, there.get("/account").status) == (200, 302)


def test_a_session_is_new_after_login_and_logout_clears_the_browser(serving: Dashboard) -> None:
    visitor = Visitor(serving)
    visitor.cookies["smart_cron_session"] = "a" * 32
    visitor.log_in("viewer")
    assert visitor.cookies["smart_cron_session"] != "a" * 32

    assert '"cache"' in visitor.post("/logout").headers["clear-site-data"]


def test_a_demanded_second_factor_opens_nothing_before_it_is_set_up(serving: Dashboard) -> None:
    serving.house.sure_with(f"{PASSWORD}\n", "user", "add", "ada", "--role", "admin", "--second-factor")
    visitor = Visitor(serving)
    visitor.log_in("ada")

    for path in ("/", "/settings/users", "/settings/keys"):
        assert visitor.get(path).headers["location"] == "/account"
    assert visitor.get("/stream/home").status == 401
    assert visitor.get("/api/v1/tasks").status == 401

    code = set_up(visitor)
    assert visitor.get("/settings/users").status == 200
    again = Visitor(serving)
    assert again.log_in("ada").headers["location"].startswith("/login/second")
    assert again.get("/settings/users").status == 302
    again.get("/login/second")
    assert again.post("/login/second", code="000000" if code != "000000" else "000001").status == 200


def set_up(visitor: Visitor) -> str:
    """Set up an authenticator app and return the code that was used."""
    visitor.get("/account/fresh?next=/account/totp")
    visitor.post("/account/fresh", password=PASSWORD, next="/account/totp")
    page = visitor.get("/account/totp").body.decode()
    found = re.search(r"<code[^>]*>([A-Z2-7]{32})</code>", page)
    assert found, page
    code = totp(found[1])
    assert visitor.post("/account/totp", code=code).status == 302
    return code


def totp(secret: str) -> str:
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(time.time()) // 30), "sha1")
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def test_logins_and_failures_are_in_the_audit_log_with_the_peers_address(serving: Dashboard) -> None:
    visitor = Visitor(serving)
    visitor.log_in("viewer", "wrong")
    visitor.get("/login", {"X-Forwarded-For": "192.0.2.9"})
    visitor.post("/login", {"X-Forwarded-For": "192.0.2.9"}, login="viewer", password=PASSWORD)

    rows = json.loads(serving.house.sure("audit", "list", "--json"))
    found = {row["action"]: row["ip_address"] for row in rows if row["entity_name"] == "viewer"}
    assert found["log in failed"] == found["log in"] == "127.0.0.1"
