"""SECURITY 10: guessing gets nowhere by any number of tries, names, addresses and restarts, and locks nobody out.

The dashboards of these tests hash passwords at the least cost there is: what is counted is not how long one takes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.security.peers import asking, visitor_from
from tests.web.conftest import House, make_house, served
from tests.web.furniture import opened
from tests.web.visitors import Visitor, add_users

__all__ = ["make_house"]
pytestmark = pytest.mark.slow
CHEAP = """
from django.contrib.auth.hashers import Argon2PasswordHasher as hasher
hasher.time_cost, hasher.memory_cost, hasher.parallelism = 1, 8, 1
"""
OTHERS = """
from smart_cron.config import load_config
from smart_cron.faces.web.limits import Limits, rules_of
from smart_cron.faces.web.settings import open_web_store
from smart_cron.store.rate_limits import RateLimitRows
config = load_config()
store = open_web_store(config)
from axes.models import AccessAttempt
limits = Limits(RateLimitRows(store.session), rules_of(config.web))
with store.session.transaction():
    for number in range(10_000):
        limits.wait_seconds("login failures", f"other{number}")
        AccessAttempt.objects.create(username=f"other{number}", ip_address="127.0.0.9", failures_since_start=1)
"""


def wrong(visitor: Visitor, name: str) -> int:
    return visitor.post("/login", login=name, password="wrong").status


def test_a_thousand_tries_are_a_few_and_a_restart_forgives_none(make_house: Callable[..., House]) -> None:
    house = make_house()
    serving = served(house, code=CHEAP)
    add_users(serving, ["viewer", "admin"])
    thief = asking(serving)

    statuses = Counter(wrong(thief, "viewer") for _ in range(1000))

    assert statuses == {200: 7, 429: 993}
    assert Visitor(serving).log_in("viewer").status == 429, "the right one is not told from the wrong ones"
    again = served(house, code=CHEAP)
    assert Visitor(again).log_in("viewer").status == 429
    # It is one name at one address: neither others there nor the same one elsewhere have anything of it.
    assert Visitor(again).log_in("admin").status == 302
    assert visitor_from(again, "127.0.0.2").log_in("viewer").status == 302
    assert served_audit(house).count("lock out") == 1, "a flood of tries is no flood of rows"
    serving.process.terminate()
    assert serving.process.communicate()[1] == b"", "what the audit log tells is told there alone"


def served_audit(house: House) -> list[str]:
    return [row["action"] for row in json.loads(house.sure("audit", "list", "--limit", "500", "--json"))]


def test_ten_thousand_other_names_free_nobody(make_house: Callable[..., House]) -> None:
    house = make_house()
    serving = served(house, code=CHEAP)
    add_users(serving, ["viewer"])
    thief = asking(serving)
    assert [wrong(thief, "viewer") for _ in range(9)][-2:] == [429, 429]

    subprocess.run([sys.executable, "-c", OTHERS], env=house.environment, cwd=Path("/"), check=True)

    assert wrong(thief, "viewer") == 429
    assert Visitor(served(house, code=CHEAP)).log_in("viewer").status == 429


def test_tries_from_many_addresses_close_a_name_to_all_but_its_own_browsers(make_house: Callable[..., House]) -> None:
    house = make_house(WEB__LOGIN_FAILURES_PER_HOUR="20")
    serving = served(house, code=CHEAP)
    add_users(serving, ["admin"])
    own = asking(serving, "127.0.0.100")
    assert own.log_in("admin").status == 302
    assert own.post("/logout").status == 302

    statuses = Counter(wrong(asking(serving, f"127.0.1.{number}"), "admin") for number in range(1, 41))

    assert statuses == {200: 20, 429: 20}
    assert visitor_from(serving, "127.0.2.1").log_in("admin").status == 429, "strangers stay out, right or wrong"
    assert own.log_in("admin").status == 302, "who was here before gets in"
    house.sure_with("another long password\n", "user", "passwd", "admin")


def test_another_spelling_of_a_name_is_no_second_door(make_house: Callable[..., House]) -> None:
    house = make_house()
    serving = served(house, code=CHEAP)
    add_users(serving, ["viewer"])
    thief = asking(serving)
    for _ in range(9):
        wrong(thief, "viewer")

    assert Visitor(serving).log_in("viewer").status == 429
    assert Visitor(serving).log_in(" viewer ").status == 429
    for name in ("VIEWER", "Viewer", "v\u0131ewer"):
        assert visitor_from(serving, "127.0.0.2").log_in(name).status == 200, name
    with pytest.raises(AssertionError, match="there is a user 'VIEWER' already"):
        house.sure_with("a long password of theirs\n", "user", "add", "VIEWER", "--role", "viewer")


def test_the_old_password_is_not_guessed_in_a_browser_left_alone(make_house: Callable[..., House]) -> None:
    serving = served(make_house(), code=CHEAP)
    add_users(serving, ["viewer"])
    left = asking(serving)
    assert left.log_in("viewer").status == 302
    left.get("/account/password")
    asked = {"oldpassword": "wrong", "password1": "another long password", "password2": "another long password"}

    statuses = Counter(left.post("/account/password", **asked).status for _ in range(25))

    assert statuses[429] >= 5
    assert statuses[200] + statuses[429] == 25


def test_names_that_nobody_has_are_locked_alike(make_house: Callable[..., House]) -> None:
    serving = served(make_house(WEB__LOGIN_FAILURES_PER_HOUR="10", WEB__FAILURES_UNTIL_LOCKED="3"), code=CHEAP)
    add_users(serving, ["viewer"])
    seen = {}
    for place, name in enumerate(("viewer", "nobody")):
        near = [wrong(asking(serving, f"127.0.3.{place}"), name) for _ in range(5)]
        far = [wrong(asking(serving, f"127.0.{4 + place}.{number}"), name) for number in range(1, 12)]
        seen[name] = (near, far)

    assert seen["viewer"] == seen["nobody"]
    assert seen["viewer"][0] == [200, 200, 429, 429, 429]
    assert seen["viewer"][1][-1] == 429


def test_one_address_may_try_so_often_whatever_the_names(make_house: Callable[..., House]) -> None:
    serving = served(make_house(WEB__LOGINS_PER_MINUTE_AND_ADDRESS="10"), code=CHEAP)
    add_users(serving, ["viewer"])
    thief = asking(serving)

    statuses = [wrong(thief, f"name{number}") for number in range(40)]

    # A minute may end amid them, once.
    assert statuses.count(429) >= 20
    assert visitor_from(serving, "127.0.0.2").log_in("viewer").status == 302


def test_an_admin_who_was_locked_out_is_let_in_by_time_and_by_the_console(make_house: Callable[..., House]) -> None:
    house = make_house()
    serving = served(house, code=CHEAP)
    add_users(serving, ["admin"])
    thief = asking(serving)
    for _ in range(9):
        wrong(thief, "admin")
    assert Visitor(serving).log_in("admin").status == 429

    house.sure_with("another long password\n", "user", "passwd", "admin")
    assert Visitor(serving).log_in("admin", "another long password").status == 302
    for _ in range(9):
        wrong(thief, "admin")
    with opened(serving) as store:
        store.session.execute("UPDATE axes_accessattempt SET attempt_time = '2026-01-01 00:00:00'")
        store.session.execute("UPDATE axes_accessattemptexpiration SET expires_at = '2026-01-01 00:00:00'")
    assert Visitor(serving).log_in("admin", "another long password").status == 302
