"""Logging in and out, over HTTP and in a browser, and what cannot be seen without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from tests.web.conftest import Dashboard
from tests.web.visitors import NARROW, WIDE, Visitor, add_users, chromium, logged_in_by_form

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def peopled(dashboard: Dashboard) -> Dashboard:
    add_users(dashboard, ["viewer", "admin"])
    return dashboard


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def test_without_a_login_every_page_leads_to_the_login(peopled: Dashboard) -> None:
    answer = peopled.ask("/")

    assert answer.status == 302
    assert answer.headers["location"] == "/login?next=/"


def test_a_part_asked_for_by_a_script_is_refused_with_where_to_log_in(peopled: Dashboard) -> None:
    answer = peopled.ask("/", headers={"HX-Request": "true"})

    assert (answer.status, answer.headers["hx-redirect"], answer.body) == (401, "/login", b"")


def test_a_right_password_opens_and_a_wrong_one_does_not(peopled: Dashboard) -> None:
    stranger, visitor = Visitor(peopled), Visitor(peopled)

    assert stranger.log_in("viewer", "wrong").status == 200
    assert stranger.get("/").status == 302
    assert visitor.log_in("viewer").status == 302
    assert visitor.get("/").status == 200


def test_logging_out_ends_the_session_for_good(peopled: Dashboard) -> None:
    visitor = Visitor(peopled)
    visitor.log_in("viewer")
    cookies = dict(visitor.cookies)

    assert visitor.post("/logout").status == 302
    assert Visitor(peopled, cookies).get("/").status == 302


def test_logging_out_by_a_link_is_not_possible(peopled: Dashboard) -> None:
    visitor = Visitor(peopled)
    visitor.log_in("viewer")

    assert visitor.get("/logout").status == 405
    assert visitor.get("/").status == 200


def test_a_stream_needs_a_login_and_a_page_of_ours(peopled: Dashboard) -> None:
    visitor = Visitor(peopled)
    visitor.log_in("viewer")

    assert peopled.ask("/stream/home").status == 401
    assert visitor.get("/stream/home", {"Origin": "http://evil.example"}).status == 403
    assert visitor.get("/stream/nothing").status == 404


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_browser_logs_in_and_sees_home_without_a_fault(
    peopled: Dashboard, browser: Browser, size: dict[str, int]
) -> None:
    with browser.new_context(viewport=size) as context:  # type: ignore[arg-type]
        seen = logged_in_by_form(context, peopled, "admin")

        expect(seen.page.get_by_role("heading", name="Home")).to_be_visible()
        assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert seen.faults == []
