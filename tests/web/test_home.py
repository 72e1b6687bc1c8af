"""Home: what it says to whom, and that it says it without a reload."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.conftest import Dashboard
from tests.web.furniture import HOSTILE, add, bind, furnish, opened, running
from tests.web.visitors import NARROW, ROLES, WIDE, Visitor, add_users, chromium, logged_in

pytestmark = pytest.mark.slow
LARGEST_BYTES = 300 * 1024


@pytest.fixture(scope="module")
def furnished(dashboard: Dashboard) -> Dashboard:
    add_users(dashboard)
    bind(dashboard, "clerk", ["office"])
    with opened(dashboard) as store:
        furnish(store)
        running(store, "orders")
    return dashboard


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def home_of(dashboard: Dashboard, name: str) -> str:
    visitor = Visitor(dashboard)
    visitor.log_in(name)
    return visitor.get("/").body.decode()


def tile(page: Page, name: str) -> str:
    text: str = page.locator(".tile", has_text=name).locator(".tile-figure").inner_text()
    return text


@pytest.mark.parametrize("role", ROLES)
def test_every_role_sees_what_is_wrong_with_its_remedy_and_the_way_to_it(furnished: Dashboard, role: str) -> None:
    page = home_of(furnished, role)

    assert "Unhealthy" in page
    assert "Make room." in page
    assert 'href="/health#disk_space"' in page
    assert 'href="/runs?status=failed&amp;since=today"' in page


def test_who_is_let_near_one_group_sees_its_tasks_and_no_word_of_the_rest(furnished: Dashboard) -> None:
    page = home_of(furnished, "clerk")

    assert "invoices" in page
    for foreign in ("orders", "img src", "Make room.", "smart_cron_health", "the disk is"):
        assert foreign not in page
    assert "shown to people who see all groups" in page


def test_what_runs_is_listed_and_counted(furnished: Dashboard, browser: Browser) -> None:
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        page = logged_in(context, furnished, "viewer").page

        assert tile(page, "Running") == "1"
        expect(page.locator("[sse-swap=running]")).to_contain_text("orders")


def test_a_new_task_and_a_new_run_are_there_without_a_reload(furnished: Dashboard, browser: Browser) -> None:
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        page = logged_in(context, furnished, "viewer").page
        before = int(tile(page, "Active tasks"))
        page.evaluate("window.stays = true")

        with opened(furnished) as store:
            add(store, "fresh", group="fresh")
            running(store, "fresh")

        expect(page.locator(".tile", has_text="Active tasks").locator(".tile-figure")).to_have_text(str(before + 1))
        expect(page.locator("[sse-swap=running]")).to_contain_text("fresh")
        assert page.evaluate("window.stays")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_home_draws_its_charts_without_a_fault_or_sideways_scrolling(
    furnished: Dashboard, browser: Browser, size: dict[str, int], theme: str
) -> None:
    with browser.new_context(viewport=size, color_scheme=theme) as context:  # type: ignore[arg-type]
        seen = logged_in(context, furnished, "admin")
        page = seen.page

        expect(page.locator("figure[data-chart] canvas[style]")).to_have_count(2)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("document.documentElement.dataset.bsTheme") == theme
        assert seen.faults == []


def test_each_chart_has_a_sentence_and_a_table_that_the_keyboard_unfolds(
    furnished: Dashboard, browser: Browser
) -> None:
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        page = logged_in(context, furnished, "viewer").page

        expect(page.locator("#day-says")).to_have_text("Nothing ended within the last 24 hours.")
        page.locator("#day-table summary").press("Enter")
        expect(page.locator("#day-table tbody tr")).to_have_count(24)


def test_home_with_all_that_it_loads_is_small(furnished: Dashboard, browser: Browser) -> None:
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        page = logged_in(context, furnished, "viewer").page
        sizes = page.evaluate(
            """[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
               .map((entry) => entry.transferSize || entry.encodedBodySize)"""
        )
        expect(page.locator("figure[data-chart] canvas[style]")).to_have_count(2)

        assert 10_000 < sum(sizes) <= LARGEST_BYTES


def test_a_hostile_name_is_text_on_home(furnished: Dashboard, browser: Browser) -> None:
    """SECURITY 21."""
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        seen = logged_in(context, furnished, "viewer")
        shouted: list[str] = []
        seen.page.on("dialog", lambda dialog: shouted.append(dialog.message))

        expect(seen.page.locator("[sse-swap=tasks]")).to_contain_text(HOSTILE)
        assert seen.page.locator("img").count() == 0
        assert (shouted, seen.faults) == ([], [])
        assert re.search(r"<script>alert", seen.page.content()) is None
