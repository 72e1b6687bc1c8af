"""SECURITY 9: a second factor can be demanded; a code is good once, and for its 30 seconds alone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.security.clocks import Clock, clocked
from tests.web.conftest import Dashboard, House, make_house, served
from tests.web.factors import set_up, totp, wrong_code
from tests.web.furniture import opened
from tests.web.visitors import PASSWORD, Visitor, add_users

__all__ = ["make_house"]
pytestmark = pytest.mark.slow
MANY = {"WEB__SECOND_FACTORS_PER_MINUTE": "100"}


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    return make_house(**MANY)


def at_the_second_step(serving: Dashboard, name: str = "admin") -> Visitor:
    """Return somebody whose password was right."""
    visitor = Visitor(serving)
    assert visitor.log_in(name).headers["location"].startswith("/login/second")
    visitor.get("/login/second")
    return visitor


def tried(serving: Dashboard, code: str) -> int:
    return at_the_second_step(serving).post("/login/second", code=code).status


@pytest.mark.parametrize("by", ["user", "setting"])
def test_where_it_is_demanded_nothing_opens_before_it_is_set_up(make_house: Callable[..., House], by: str) -> None:
    serving = served(make_house(WEB__REQUIRE_SECOND_FACTOR="true") if by == "setting" else make_house())
    demanded = ["--second-factor"] if by == "user" else []
    serving.house.sure_with(f"{PASSWORD}\n", "user", "add", "ada", "--role", "admin", *demanded)
    visitor = Visitor(serving)
    visitor.log_in("ada")

    for path in ("/", "/settings/users", "/settings/keys", "/runs", "/account/sessions"):
        assert visitor.get(path).headers["location"] == "/account"
    assert visitor.get("/stream/home").status == 401
    assert visitor.get("/api/v1/tasks").status == 401

    set_up(visitor)
    assert visitor.get("/settings/users").status == 200
    again = at_the_second_step(serving, "ada")
    assert again.get("/settings/users").status == 302
    assert again.get("/stream/home").status == 401


def test_an_admin_can_demand_it_on_a_page(house: House) -> None:
    serving = served(house)
    add_users(serving, ["admin", "viewer"])
    admin, viewer = Visitor(serving), Visitor(serving)
    admin.log_in("admin")
    viewer.log_in("viewer")
    with opened(serving) as store:
        row = store.session.row("SELECT id FROM smart_cron_users WHERE username = 'viewer'")
    assert row

    admin.get(f"/settings/users/{row[0]}")
    assert admin.post(f"/settings/users/{row[0]}", action="demand").status == 302

    assert viewer.get("/runs").headers["location"] == "/account"


@pytest.fixture
def two_steps(house: House) -> tuple[Dashboard, Clock, str]:
    """An admin with an app, whose clock is the dashboard's; the code of the first step was used to set it up."""
    serving, clock = clocked(house)
    add_users(serving, ["admin"])
    visitor = Visitor(serving)
    visitor.log_in("admin")
    return serving, clock, set_up(visitor, clock.at)


def test_a_code_is_good_for_its_own_30_seconds(two_steps: tuple[Dashboard, Clock, str]) -> None:
    serving, clock, secret = two_steps
    clock.pass_by(60)

    assert tried(serving, totp(secret, clock.at - 1)) == 200
    assert tried(serving, totp(secret, clock.at + 30)) == 200
    code = totp(secret, clock.at)
    clock.pass_by(29.9)
    assert tried(serving, code) == 302
    clock.pass_by(30)
    code = totp(secret, clock.at)
    clock.pass_by(0.1)
    assert tried(serving, code) == 200


def test_a_code_is_good_once_and_not_again_after_a_restart(two_steps: tuple[Dashboard, Clock, str]) -> None:
    serving, clock, secret = two_steps

    assert tried(serving, totp(secret, clock.at)) == 200, "the one that set it up is used"
    clock.pass_by(30)
    code = totp(secret, clock.at)
    assert tried(serving, code) == 302
    for same in (code, f" {code}", f"{code[:3]} {code[3:]}"):
        assert tried(serving, same) == 200
    again, later = clocked(serving.house)
    later.set(clock.at)

    assert tried(again, code) == 200
    later.pass_by(30)
    assert tried(again, totp(secret, later.at)) == 302


def test_of_two_who_send_one_code_at_once_one_gets_in(two_steps: tuple[Dashboard, Clock, str]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    serving, clock, secret = two_steps
    clock.pass_by(30)
    code, waiting = totp(secret, clock.at), [at_the_second_step(serving) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda visitor: visitor.post("/login/second", code=code).status, waiting))

    assert sorted(statuses) == [200, 200, 200, 302]


def test_a_code_for_reserve_is_good_once(two_steps: tuple[Dashboard, Clock, str]) -> None:
    serving, clock, secret = two_steps
    clock.pass_by(30)
    visitor = at_the_second_step(serving)
    visitor.post("/login/second", code=totp(secret, clock.at))
    visitor.get("/account/fresh?next=/account/codes")
    visitor.post("/account/fresh", password=PASSWORD, next="/account/codes")
    visitor.get("/account/codes")
    page = visitor.post("/account/codes").body.decode()
    codes = re.findall(r"\b\d{8}\b", page)
    assert len(codes) >= 5, page

    assert [tried(serving, codes[0]), tried(serving, codes[0]), tried(serving, codes[1])] == [302, 200, 302]


def test_codes_cannot_be_tried_for_long(make_house: Callable[..., House]) -> None:
    serving, clock = clocked(make_house(WEB__SECOND_FACTORS_PER_MINUTE="3"))
    add_users(serving, ["admin"])
    visitor = Visitor(serving)
    visitor.log_in("admin")
    secret = set_up(visitor, clock.at)

    statuses = [tried(serving, wrong_code(secret)) for _ in range(12)]

    # The window of a minute may end amid them, once.
    assert statuses.count(429) >= 6
    clock.pass_by(30)
    assert 302 not in statuses
