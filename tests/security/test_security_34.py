"""SECURITY 34: a fault is told by a number; the log has the rest. No debugging anywhere."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.web.conftest import House, make_house, served
from tests.web.visitors import Visitor, add_users

__all__ = ["make_house"]
pytestmark = pytest.mark.slow


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
