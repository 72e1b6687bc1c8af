"""SECURITY 8: another password asks for the old one and ends all other sessions, from the console, too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.web.conftest import Dashboard, House, make_house, served
from tests.web.visitors import PASSWORD, Visitor, add_users

__all__ = ["make_house"]
pytestmark = pytest.mark.slow
ANOTHER = "another long password"


@pytest.fixture
def serving(make_house: Callable[..., House]) -> Dashboard:
    found = served(make_house())
    add_users(found, ["viewer"])
    return found


def logged_in(serving: Dashboard) -> Visitor:
    visitor = Visitor(serving)
    assert visitor.log_in("viewer").status == 302
    return visitor


def doors(visitor: Visitor) -> list[int]:
    return [visitor.get(path).status for path in ("/account", "/stream/nothing", "/api/v1/tasks")]


def test_on_the_page_it_asks_for_the_old_one_and_ends_all_other_sessions(serving: Dashboard) -> None:
    here, there = logged_in(serving), logged_in(serving)
    here.get("/account/password")

    for old in ("wrong", "", PASSWORD.upper(), ANOTHER):
        wrong = here.post("/account/password", oldpassword=old, password1=ANOTHER, password2=ANOTHER)
        assert wrong.status == 200
    assert doors(there) == [200, 404, 200]
    done = here.post("/account/password", oldpassword=PASSWORD, password1=ANOTHER, password2=ANOTHER)

    assert done.status == 302
    assert (doors(here), doors(there)) == ([200, 404, 200], [302, 401, 401])
    assert Visitor(serving).log_in("viewer", PASSWORD).status == 200
    assert Visitor(serving).log_in("viewer", ANOTHER).status == 302


@pytest.mark.parametrize("words", [("passwd", "viewer"), ("disable", "viewer"), ("reset-mfa", "viewer")])
def test_what_the_console_changes_ends_every_session_at_once(serving: Dashboard, words: tuple[str, str]) -> None:
    visitors = [logged_in(serving), logged_in(serving)]
    assert [doors(visitor) for visitor in visitors] == [[200, 404, 200]] * 2

    serving.house.sure_with(f"{ANOTHER}\n", "user", *words)

    assert [doors(visitor) for visitor in visitors] == [[302, 401, 401]] * 2
