"""Every page's address as nobody and as each role: built from the routes, so that a new one is walked by itself."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.process.cli import SRC
from tests.web.conftest import Dashboard, housed, served
from tests.web.visitors import ROLES, Visitor, add_users

pytestmark = pytest.mark.slow
LISTED = """
from smart_cron.config import load_config
from smart_cron.faces.web.settings import open_web_store
open_web_store(load_config())
from smart_cron.faces.web.urls import PAGES
for each in PAGES:
    if not each.judges_itself:
        print(each.path, each.name, each.see, each.change, sep="|")
"""


@pytest.fixture(scope="module")
def peopled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with housed(tmp_path_factory.mktemp("home")) as house:
        serving = served(house)
        add_users(serving)
        yield serving


@pytest.fixture(scope="module")
def routes(peopled: Dashboard) -> list[list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", LISTED], env=peopled.house.environment, capture_output=True, check=True, cwd=Path(SRC)
    )
    return [line.split("|") for line in done.stdout.decode().splitlines()]


def address(path: str) -> str:
    """An address of this route, of something that is not there."""
    filled = re.sub(r"<int:\w+>", "999999999", path)
    filled = re.sub(r"<uuid:\w+>", "00000000-0000-4000-8000-000000000000", filled)
    return "/" + re.sub(r"<[^>]*>", "nothing", filled)


def may(role: str, needed: str) -> bool:
    return needed in ROLES and ROLES.index(role) >= ROLES.index(needed)


def test_without_a_login_nothing_is_shown_or_done(peopled: Dashboard, routes: list[list[str]]) -> None:
    stranger = Visitor(peopled)
    stranger.get("/login")
    for path, name, see, change in routes:
        shown = stranger.get(address(path))
        done = stranger.post(address(path))
        if see == "anybody":
            assert shown.status in (200, 302, 404), path
        else:
            assert shown.status == (405 if see == "None" else 302), (path, name)
            assert b"csrfmiddlewaretoken" not in shown.body
        if change != "anybody":
            assert done.status in ((405,) if change == "None" else (302, 403)), (path, name)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_gets_what_its_routes_say_and_no_more(peopled: Dashboard, routes: list[list[str]], role: str) -> None:
    visitor = Visitor(peopled)
    visitor.log_in(role)
    for path, name, see, change in routes:
        if name == "account_logout" or see == "anybody":
            continue
        shown = visitor.get(address(path)).status
        assert shown < 500, (path, shown)
        if see == "None":
            assert shown == 405, path
        else:
            assert (shown == 403) == (not may(role, see)), (path, shown)
        if not visitor.token:
            visitor.get("/")
        done = visitor.post(address(path), nothing="of ours").status
        assert done < 500, (path, done)
        if change == "None":
            assert done == 405, path
        elif not may(role, change):
            assert done == 403, (path, done)
    # None of these posts, with a field that no form has, has ended the session.
    assert visitor.get("/").status == 200


def test_denials_are_in_the_audit_log(peopled: Dashboard) -> None:
    visitor = Visitor(peopled)
    visitor.log_in("viewer")
    visitor.get("/settings/users")

    assert b"deny" in peopled.house.sure("audit", "list", "--limit", "20")


def test_methods_that_no_route_has_are_refused(peopled: Dashboard, routes: list[list[str]]) -> None:
    for path, *_ in routes:
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
            assert peopled.ask(address(path), method).status in (403, 405), (method, path)
