"""SECURITY 15: cookies that no script reads and no page elsewhere sends, bound to this host or path, and to TLS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.web.conftest import Answer, House, make_house, served
from tests.web.visitors import PASSWORD, Visitor, add_users

__all__ = ["make_house"]
pytestmark = pytest.mark.slow
DOCS = Path(__file__).parents[2] / "docs" / "web.md"


def cookies_of(answers: list[Answer]) -> dict[str, dict[str, str]]:
    """Return each cookie's attributes by its name, in lower case."""
    found = {}
    for line in (line for answer in answers for line in answer.cookie_lines):
        first, *rest = line.split("; ")
        attributes = dict((part.lower().partition("=")[::2]) for part in rest)
        found[first.partition("=")[0]] = attributes
    return found


@pytest.mark.parametrize(
    ("prefix", "beginning"), [("", "__Host-"), ("/modules/smart-cron/dashboard", "__Secure-")], ids=["root", "path"]
)
def test_behind_tls_they_are_bound_to_it(make_house: Callable[..., House], prefix: str, beginning: str) -> None:
    house = make_house(WEB__PATH_PREFIX=prefix, WEB__ALLOWED_HOSTS='["localhost"]')
    serving = served(house, "--behind-proxy")
    serving.is_secure = True
    add_users(serving, ["viewer"])
    visitor = Visitor(serving)
    by_proxy = {"X-Forwarded-Proto": "https", "Host": f"localhost:{serving.port}"}
    answers = [visitor.get("/login", by_proxy)]
    answers.append(visitor.post("/login", by_proxy, login="viewer", password=PASSWORD))
    assert answers[-1].status == 302, answers[-1].body

    found = cookies_of(answers)

    assert set(found) == {f"{beginning}smart_cron_{name}" for name in ("session", "csrf", "known")}
    for attributes in found.values():
        assert {"secure", "httponly"} <= set(attributes)
        assert "domain" not in attributes
        assert attributes["path"] == f"{prefix}/"
        assert attributes["samesite"].lower() in ("lax", "strict")


def test_on_the_plain_loopback_they_have_no_such_name_and_the_page_of_the_docs_says_so(
    make_house: Callable[..., House],
) -> None:
    serving = served(make_house())
    add_users(serving, ["viewer"])
    visitor = Visitor(serving)
    answers = [visitor.get("/login"), visitor.post("/login", login="viewer", password=PASSWORD)]

    found = cookies_of(answers)

    assert set(found) == {"smart_cron_session", "smart_cron_csrf", "smart_cron_known"}
    for attributes in found.values():
        assert "httponly" in attributes
        assert "secure" not in attributes
        assert "domain" not in attributes
        assert attributes["path"] == "/"
        assert attributes["samesite"].lower() in ("lax", "strict")
    assert "on the loopback, it has neither name nor `Secure`" in " ".join(DOCS.read_text().split())


def test_no_cookie_lasts_longer_than_a_session_may(make_house: Callable[..., House]) -> None:
    serving = served(make_house())
    add_users(serving, ["viewer"])
    visitor = Visitor(serving)
    answers = [visitor.get("/login"), visitor.post("/login", login="viewer", password=PASSWORD)]

    assert int(cookies_of(answers)["smart_cron_session"]["max-age"]) <= 14 * 86_400
