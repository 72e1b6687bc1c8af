"""SECURITY 6: no account exists until set-up; the link is random, works once, and expires."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Callable

import pytest
from tests.web.conftest import Dashboard, House, make_house, served
from tests.web.visitors import PASSWORD, Visitor

__all__ = ["make_house"]
pytestmark = pytest.mark.slow


def linked(house: House) -> tuple[Dashboard, str]:
    serving = served(house)
    assert serving.process.stdout is not None
    said = serving.process.stdout.readline() + serving.process.stdout.readline()
    found = re.search(rb"(/setup/\S+)", said)
    assert found, said
    return serving, found[1].decode()


def test_the_link_makes_one_admin_once(make_house: Callable[..., House]) -> None:
    serving, link = linked(make_house())
    first, second = Visitor(serving), Visitor(serving)
    assert first.get("/setup/" + "x" * 43).status == 404
    assert first.get(link).status == 200
    second.get(link)

    assert first.post(link, name="ada", password=PASSWORD, again=PASSWORD).status == 302
    assert first.get("/").status == 200
    assert second.post(link, name="eve", password=PASSWORD, again=PASSWORD).status == 404
    assert second.get(link).status == 404
    users = json.loads(serving.house.sure("user", "list", "--json"))
    assert [(each["name"], each["role"]) for each in users] == [("ada", "admin")]


def test_a_mistake_costs_no_link_and_nothing_typed(make_house: Callable[..., House]) -> None:
    serving, link = linked(make_house())
    visitor = Visitor(serving)
    visitor.get(link)

    short = visitor.post(link, name="ada", password="short", again="short")
    assert short.status == 200
    assert b"too short" in short.body
    assert b'value="ada"' in short.body
    assert b"differ" in visitor.post(link, name="ada", password=PASSWORD, again="another").body
    assert visitor.post(link, name="ada", password=PASSWORD, again=PASSWORD).status == 302


def test_only_a_digest_is_kept_for_its_owner_and_not_for_long(make_house: Callable[..., House]) -> None:
    serving, link = linked(make_house())
    path = serving.house.home / "state" / "setup-link"
    kept = json.loads(path.read_text())

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert kept["sha256"] == hashlib.sha256(link.removeprefix("/setup/").encode()).hexdigest()
    path.write_text(json.dumps({**kept, "expires_at": kept["expires_at"] - 31 * 60}))
    assert Visitor(serving).get(link).status == 404


def test_where_somebody_may_log_in_no_link_is_offered(make_house: Callable[..., House]) -> None:
    house = make_house()
    house.sure_with(f"{PASSWORD}\n", "user", "add", "ada", "--role", "admin")
    served(house)

    assert not (house.home / "state" / "setup-link").exists()
