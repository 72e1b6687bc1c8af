"""What somebody without a login can have written down: no more than they may try to log in."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from tests.web.addresses import everything_in
from tests.web.conftest import Dashboard, House, served
from tests.web.visitors import Visitor

pytestmark = pytest.mark.slow
# A minute may end amid them: then as many again are let through.
MOST, TRIES = 3, 8
BY_SCRIPT = {"X-Requested-With": "XMLHttpRequest"}


@pytest.fixture
def serving(make_house: Callable[..., House]) -> Dashboard:
    return served(make_house(WEB__LOGINS_PER_MINUTE_AND_ADDRESS=str(MOST)))


def sessions(dashboard: Dashboard) -> int:
    path = dashboard.house.home / "state" / "smart-cron.db"
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as rows:
        return int(rows.execute("SELECT COUNT(*) FROM django_session").fetchone()[0])


def test_challenges_for_strangers_are_bounded_as_logins_are(serving: Dashboard) -> None:
    answers = [serving.ask("/login/passkey", headers=BY_SCRIPT) for _ in range(TRIES)]

    assert answers[0].status == 200
    assert sum(answer.status == 200 for answer in answers) == sessions(serving) <= 2 * MOST
    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in refused)


def test_no_address_makes_a_session_for_each_stranger_who_comes(serving: Dashboard) -> None:
    """Read by a browser or a script, or sent a form with the token that anybody gets with the login page."""
    stranger = Visitor(serving)
    stranger.get("/login")
    form = {"Content-Type": "application/x-www-form-urlencoded", **stranger._headers()}
    body = urlencode({"csrfmiddlewaretoken": stranger.token, "login": "x", "password": "x"}).encode()

    made = {}
    for path in [page.address() for page in everything_in(serving.house).pages]:
        before = sessions(serving)
        for _ in range(TRIES):
            serving.ask(path)
            serving.ask(path, headers=BY_SCRIPT)
            serving.ask(path, "POST", body=body, headers=form)
        made[path] = sessions(serving) - before

    assert {path: count for path, count in made.items() if count > 2 * MOST} == {}
