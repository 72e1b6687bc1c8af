"""SECURITY 14: a session ends when it is left alone, when it is old, and when its user or an admin says so."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.security.clocks import Clock, clocked
from tests.web.conftest import Dashboard, House, make_house
from tests.web.furniture import opened
from tests.web.visitors import PASSWORD, Visitor, add_users

__all__ = ["make_house"]
pytestmark = pytest.mark.slow
MINUTE, DAY = 60, 86_400


@pytest.fixture
def steered(make_house: Callable[..., House]) -> tuple[Dashboard, Clock]:
    serving, clock = clocked(make_house(WEB__SESSION_IDLE_MINUTES="30", WEB__SESSION_DAYS="2"))
    add_users(serving, ["viewer", "admin"])
    return serving, clock


def logged_in(serving: Dashboard, name: str = "viewer") -> Visitor:
    visitor = Visitor(serving)
    assert visitor.log_in(name).status == 302
    return visitor


def doors(visitor: Visitor) -> tuple[int, int, int]:
    """By a page, a stream and the API; of the stream one that there is not, which only somebody is told."""
    return (visitor.get("/account").status, visitor.get("/stream/nothing").status, visitor.get("/api/v1/tasks").status)


OPEN, SHUT = (200, 404, 200), (302, 401, 401)


def test_who_does_nothing_for_so_long_is_logged_out(steered: tuple[Dashboard, Clock]) -> None:
    serving, clock = steered
    visitor, other = logged_in(serving), logged_in(serving)

    for _ in range(3):
        clock.pass_by(29 * MINUTE)
        assert doors(visitor) == OPEN
    assert doors(other) == SHUT
    # That one is dead, whatever its clock says afterwards.
    clock.pass_by(-60 * MINUTE)
    assert doors(other)[0] == 302
    clock.pass_by(60 * MINUTE + 31 * MINUTE)
    assert doors(visitor) == SHUT


def test_nobody_is_logged_in_for_longer_however_busy(steered: tuple[Dashboard, Clock]) -> None:
    serving, clock = steered
    visitor, begun = logged_in(serving), clock.at
    while clock.at - begun < 2 * DAY - 25 * MINUTE:
        clock.pass_by(25 * MINUTE)
        assert visitor.get("/account").status == 200
    assert doors(visitor) == OPEN

    clock.set(begun + 2 * DAY + 1)

    assert doors(visitor) == SHUT


def test_a_fresh_login_is_fresh_for_ten_minutes(steered: tuple[Dashboard, Clock]) -> None:
    serving, clock = steered
    admin = logged_in(serving, "admin")
    assert admin.get("/settings/users/add").status == 200

    clock.pass_by(10 * MINUTE)

    assert admin.get("/settings/users/add").headers["location"].startswith("/account/fresh")
    admin.get("/account/fresh")
    assert admin.post("/account/fresh", password="wrong").status == 200
    assert admin.get("/settings/users/add").status == 302
    admin.get("/account/fresh")
    admin.post("/account/fresh", password=PASSWORD)
    assert admin.get("/settings/users/add").status == 200


def test_everybody_sees_their_own_sessions_and_ends_them(steered: tuple[Dashboard, Clock]) -> None:
    serving, _ = steered
    here, there, elsewhere = logged_in(serving), logged_in(serving), logged_in(serving, "admin")
    page = here.get("/account/sessions").body.decode()
    numbers = re.findall(r'name="end" value="(\d+)"', page)
    assert len(numbers) == 1, "the other one; this one ends by logging out"
    assert "127.0.0.1" in page

    assert elsewhere.post("/account/sessions", end=numbers[0]).status == 404, "not an admin's by this way"
    assert doors(there) == OPEN
    assert here.post("/account/sessions", end=numbers[0]).status == 302
    assert (doors(here), doors(there)) == (OPEN, SHUT)
    third = logged_in(serving)
    here.get("/account/sessions")
    here.post("/account/sessions", end="others")
    assert (doors(here), doors(third), doors(elsewhere)) == (OPEN, SHUT, OPEN)


def test_an_admin_ends_all_sessions_of_somebody(steered: tuple[Dashboard, Clock]) -> None:
    serving, _ = steered
    admin, first, second = logged_in(serving, "admin"), logged_in(serving), logged_in(serving)
    with opened(serving) as store:
        row = store.session.row("SELECT id FROM smart_cron_users WHERE username = 'viewer'")
    assert row
    admin.get(f"/settings/users/{row[0]}")

    assert admin.post(f"/settings/users/{row[0]}", action="end").status == 302

    assert (doors(first), doors(second), doors(admin)) == (SHUT, SHUT, OPEN)
    assert b"end sessions" in serving.house.sure("audit", "list")
