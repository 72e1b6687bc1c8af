"""Search and its palette: what is found, by whom, how often, and as text whatever it is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from tests.web.conftest import Dashboard
from tests.web.furniture import HOSTILE, bind, furnish, opened, running, visitor
from tests.web.visitors import NARROW, WIDE, Visitor, add_users, chromium, logged_in

pytestmark = pytest.mark.slow
ACCEPT = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def numbers() -> dict[str, int]:
    return {}


@pytest.fixture(scope="module")
def furnished(dashboard: Dashboard, numbers: dict[str, int]) -> Dashboard:
    add_users(dashboard)
    bind(dashboard, "clerk", ["office"])
    with opened(dashboard) as store:
        numbers.update(furnish(store))
        numbers["run"] = running(store, "orders")
    return dashboard


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def found(who: Visitor, words: str) -> list[dict[str, str]]:
    answer = who.get(f"/search?q={words}", ACCEPT)
    assert answer.status == 200, answer.body
    listed: list[dict[str, str]] = json.loads(answer.body)["found"]
    return listed


def test_tasks_are_found_by_name_and_runs_and_alerts_by_number(furnished: Dashboard, numbers: dict[str, int]) -> None:
    viewer = visitor(furnished, "viewer")

    assert [each["url"] for each in found(viewer, "INVOI")] == ["/tasks/invoices"]
    by_number = [each["url"] for each in found(viewer, str(numbers["run"]))]
    assert f"/runs/{numbers['run']}" in by_number
    assert f"/alerts/{numbers['run']}" in by_number


def test_who_is_let_near_one_group_finds_nothing_of_another(furnished: Dashboard, numbers: dict[str, int]) -> None:
    """SECURITY 3."""
    clerk = visitor(furnished, "clerk")

    assert found(clerk, "orders") == []
    assert not any("/runs/" in each["url"] for each in found(clerk, str(numbers["run"])))
    assert [each["url"] for each in found(clerk, "invoices")] == ["/tasks/invoices"]


@pytest.mark.parametrize("query", ["q=%00", "q=a&q=b", "p=a", f"q={'x' * 101}"])
def test_an_odd_question_is_a_bad_request(furnished: Dashboard, query: str) -> None:
    assert visitor(furnished, "viewer").get(f"/search?{query}", ACCEPT).status == 400


@pytest.mark.parametrize("words", ["%25", "_", "'%20OR%201=1--", "1%20AND%20sleep(5)", "\u0661"])
def test_no_mark_means_anything_to_the_database(furnished: Dashboard, words: str) -> None:
    """SECURITY 25."""
    began = time.monotonic()

    assert all(
        "invoices" not in each["title"]
        for each in found(visitor(furnished, "editor"), words.replace("\u0661", "%D9%A1"))
    )
    assert time.monotonic() - began < 5


def test_who_asks_too_often_is_told_for_how_long_to_wait(furnished: Dashboard) -> None:
    operator = visitor(furnished, "operator")

    answers = [operator.get("/search?q=x", ACCEPT) for _ in range(200)]

    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    assert int(refused[0].headers["retry-after"]) >= 1
    assert visitor(furnished, "viewer").get("/search?q=x", ACCEPT).status == 200


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_palette_goes_where_the_words_lead(furnished: Dashboard, browser: Browser, size: dict[str, int]) -> None:
    with browser.new_context(viewport=size) as context:  # type: ignore[arg-type]
        seen = logged_in(context, furnished, "admin")
        page = seen.page

        page.keyboard.press("Control+k")
        page.keyboard.type("alerts")
        expect(page.locator("#palette li[aria-selected=true]")).to_contain_text("Alerts")
        page.keyboard.press("Enter")

        page.wait_for_url("**/alerts")
        assert seen.faults == []


def test_a_hostile_name_is_text_in_the_palette(furnished: Dashboard, browser: Browser) -> None:
    """SECURITY 21."""
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        seen = logged_in(context, furnished, "admin")
        page = seen.page

        page.keyboard.press("Control+k")
        page.keyboard.type("onerror")

        expect(page.locator("#palette li")).to_contain_text([HOSTILE])
        assert page.locator("#palette img").count() == 0
        assert seen.faults == []
