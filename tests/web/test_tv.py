"""The wall board: what fails and runs, large, live, and without a way to anything else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from tests.web.conftest import Dashboard
from tests.web.furniture import HOSTILE, add, bind, furnish, opened, running, visitor
from tests.web.visitors import NARROW, WIDE, add_users, chromium, let_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def furnished(dashboard: Dashboard) -> Dashboard:
    add_users(dashboard, ["viewer"])
    bind(dashboard, "clerk", ["office"])
    with opened(dashboard) as store:
        furnish(store)
    return dashboard


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_it_shows_what_fails_and_what_begins_to_run(
    furnished: Dashboard, browser: Browser, size: dict[str, int]
) -> None:
    with browser.new_context(viewport=size) as context:  # type: ignore[arg-type]
        seen = let_in(context, furnished, "viewer")
        page = seen.go("/tv")

        expect(page.locator("[sse-swap=failing]")).to_contain_text(HOSTILE)
        expect(page.locator("[sse-swap=head]")).to_contain_text("Unhealthy")
        assert page.locator("nav, aside, main a, main button").count() == 0
        with opened(furnished) as store:
            before = page.locator("[sse-swap=running] li").count()
            add(store, f"board{size['width']}")
            running(store, f"board{size['width']}")
        expect(page.locator("[sse-swap=running] li")).to_have_count(before + 1)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert seen.faults == []


def test_it_shows_no_task_of_another_group(furnished: Dashboard) -> None:
    page = visitor(furnished, "clerk").get("/tv").body

    assert b"invoices" in page
    assert b"orders" not in page
    assert b"img src" not in page
