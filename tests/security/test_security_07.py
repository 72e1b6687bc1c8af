"""SECURITY 7: which passwords are taken, and that each is taken whole and exactly."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.web.conftest import Dashboard, housed, served
from tests.web.visitors import PASSWORD, Visitor, add_users

pytestmark = pytest.mark.slow
SHORTEST = 8
KNOWN = ("password1", "12345678", "qwertyuiop", "iloveyou1", "sunshine", "football", "1q2w3e4r5t", "trustno1")
GOOD = {
    "eight": "p8#kLw2z",
    "64": "correct horse battery " * 3,
    "200 and beyond bcrypt's 72": "a very long sentence that somebody likes " * 5,
    "unicode": "пароль 密码 🐎 ünïcødé",
    "spaces around": "  spaces around me  ",
    "quotes": "\"';--<b>&amp;%00\\n",
}
REFUSE = """
from smart_cron.config import load_config
from smart_cron.faces.web.settings import open_web_store
open_web_store(load_config())
from django.contrib.auth.password_validation import CommonPasswordValidator
from smart_cron.core.errors import InvalidInputError
from smart_cron.store.people.book import require_good
from smart_cron.store.people.models import User
common, taken = sorted(CommonPasswordValidator().passwords), []
for word in common:
    try:
        require_good(word, User(username="ada"))
        taken.append(word)
    except InvalidInputError:
        pass
print(len(common), len(taken))
"""


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    # Tries of the old password are counted, and there are many here.
    settings = {"WEB__SHORTEST_PASSWORD": str(SHORTEST), "WEB__SECOND_FACTORS_PER_MINUTE": "100"}
    with housed(tmp_path_factory.mktemp("home"), **settings) as house:
        found = served(house)
        add_users(found, ["admin"])
        add_users(found, ["changing", "console"], role="viewer")
        yield found


@pytest.fixture(scope="module")
def admin(serving: Dashboard) -> Visitor:
    visitor = Visitor(serving)
    visitor.log_in("admin")
    return visitor


def opens(serving: Dashboard, name: str, password: str) -> bool:
    return Visitor(serving).log_in(name, password).status == 302


@pytest.mark.parametrize("kind", GOOD)
def test_what_is_good_is_taken_whole_and_exactly(serving: Dashboard, kind: str) -> None:
    password = GOOD[kind]
    serving.house.sure_with(f"{password}\n", "user", "passwd", "console")

    assert opens(serving, "console", password)
    for other in (password[:-1], password[:72], password.swapcase(), password.strip(), password + " ", password * 2):
        if other != password:
            assert not opens(serving, "console", other), other
    # The next round is not locked out for what was wrong in this one.
    serving.house.sure_with(f"{PASSWORD}\n", "user", "passwd", "console")


def test_a_page_takes_the_same_and_as_exactly(serving: Dashboard) -> None:
    visitor, old = Visitor(serving), PASSWORD
    visitor.log_in("changing")
    for password in GOOD.values():
        visitor.get("/account/password")
        answer = visitor.post("/account/password", oldpassword=old, password1=password, password2=password)
        assert answer.status == 302, password
        old = password

    assert opens(serving, "changing", old)
    assert not opens(serving, "changing", old.rstrip("n"))


def names(serving: Dashboard) -> set[str]:
    return {user["name"] for user in json.loads(serving.house.sure("user", "list", "--json"))}


def test_what_is_short_common_or_their_name_is_refused_on_each_way(serving: Dashboard, admin: Visitor) -> None:
    before = names(serving)
    admin.get("/account/fresh")
    admin.post("/account/fresh", password=PASSWORD)
    for password in ("p8#kLw2", "", *KNOWN, "changing1", "x" * 1001):
        admin.get("/settings/users/add")
        typed = {"name": "changing1", "role": "viewer", "groups": "", "password": password, "again": password}
        assert admin.post("/settings/users/add", **typed).status == 200, password
        with pytest.raises(AssertionError, match=r"password"):
            serving.house.sure_with(f"{password}\n", "user", "add", "changing1", "--role", "viewer")
    assert names(serving) == before


def test_who_changes_their_own_is_refused_the_same(serving: Dashboard, admin: Visitor) -> None:
    admin.get("/account/password")

    for password in ("p8#kLw2", "", *KNOWN, "admin", "x" * 1001):
        answer = admin.post("/account/password", oldpassword=PASSWORD, password1=password, password2=password)
        assert answer.status == 200, password
    assert opens(serving, "admin", PASSWORD)


def test_thousands_of_common_passwords_are_refused(serving: Dashboard) -> None:
    done = subprocess.run(
        [sys.executable, "-c", REFUSE], env=serving.house.environment, cwd=Path("/"), capture_output=True, check=True
    )
    known, taken = map(int, done.stdout.split())

    assert known >= 3000
    assert taken == 0


def test_no_setting_allows_fewer_than_eight(serving: Dashboard) -> None:
    serving.house.settings["WEB__SHORTEST_PASSWORD"] = "7"
    try:
        done = serving.house.call("config", "check")
        assert done.returncode != 0
        assert b"shortest_password" in done.stdout + done.stderr
    finally:
        serving.house.settings["WEB__SHORTEST_PASSWORD"] = str(SHORTEST)
