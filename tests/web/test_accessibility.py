"""Every page by the rules of WCAG 2.2 AA as axe-core knows them, in both themes and both widths, and by keys alone."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from tests import warm
from tests.web.axe import LOOKS, broken
from tests.web.conftest import Dashboard
from tests.web.furniture import furnish, opened, running, visitor
from tests.web.visitors import WIDE, add_users, chromium, let_in, logged_in, watched

pytestmark = pytest.mark.slow
# Routes without a page of their own: what they answer is a redirect, a file or data.
NO_PAGE = frozenset({
    "mfa_download_recovery_codes", "mfa_reauthenticate", "mfa_authenticate", "mfa_login_webauthn",
    # Parts of a page.
    "run_output", "run_search", "tasks_explain",
})  # fmt: skip


@pytest.fixture(scope="module")
def furnished(dashboard: Dashboard) -> Dashboard:
    add_users(dashboard)
    with opened(dashboard) as store:
        furnish(store)
        running(store, "orders")
    return dashboard


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def paths(furnished: Dashboard) -> list[str]:
    """Every address that shows a page, with numbers and names that there are: a new page is among them by itself."""
    # In a process of its own: Django of this one is not set up for pages.
    code = """
from smart_cron.config import load_config
from smart_cron.faces.web.settings import open_web_store
open_web_store(load_config())
from smart_cron.faces.web.urls import PAGES
for route in PAGES:
    if route.see is not None:
        print(route.name, '/' + route.path)
"""
    done = warm.run([sys.executable, "-c", code], env=furnished.house.environment)
    assert done.returncode == 0, done.stderr
    routes = [line.split(" ", 1) for line in done.stdout.decode().splitlines()]
    return sorted(_filled(furnished, path) for name, path in routes if name not in NO_PAGE)


def _filled(dashboard: Dashboard, path: str) -> str:
    examples: dict[str, Callable[[], str]] = {
        "name": lambda: "invoices",
        "task": lambda: "invoices",
        "number": lambda: "1",
        "pk": lambda: "1",
        "backup_id": lambda: _backup(dashboard),
    }

    def example(found: re.Match[str]) -> str:
        return examples.get(found[1], lambda: "1")()

    return re.sub(r"<(?:\w+:)?(\w+)>", example, path)


def _backup(dashboard: Dashboard) -> str:
    page = visitor(dashboard, "admin").get("/backups").body.decode()
    found = re.search(r"/backups/([0-9a-f]{16})/download", page)
    assert found
    return found[1]


@pytest.mark.parametrize("look", LOOKS)
def test_no_page_breaks_a_rule_or_scrolls_sideways(
    furnished: Dashboard, browser: Browser, paths: list[str], look: dict[str, Any]
) -> None:
    found: list[str] = []
    with browser.new_context(**look) as context:
        login = watched(context, furnished)
        found += broken(login.go("/login"))
        seen = logged_in(context, furnished, "admin")
        for path in paths:
            # What is a file to keep would be none for a browser to show.
            answer = context.request.get(f"{seen.url}{path}")
            if answer.status != 200 or "html" not in answer.headers.get("content-type", ""):
                continue
            seen.page.goto(f"{seen.url}{path}", wait_until="load")
            found += [f"{path}: {each}" for each in broken(seen.page)]
    # One text, so that all of it is told.
    assert "\n".join(found) == ""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_dialogs_break_no_rule(furnished: Dashboard, browser: Browser, theme: str) -> None:
    with browser.new_context(viewport=WIDE, color_scheme=theme) as context:  # type: ignore[arg-type]
        page = logged_in(context, furnished, "viewer").page
        for keys, dialog in (("Control+k", "#palette"), ("?", "#help")):
            page.keyboard.press(keys)
            expect(page.locator(f"{dialog}[open]")).to_be_visible()
            assert broken(page) == []
            page.keyboard.press("Escape")
            expect(page.locator("dialog[open]")).to_have_count(0)


def test_without_a_mouse_one_goes_to_a_section_through_its_rows_and_into_one(
    furnished: Dashboard, browser: Browser
) -> None:
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        seen = logged_in(context, furnished, "operator")
        page = seen.page

        page.keyboard.press("g")
        page.keyboard.press("a")
        page.wait_for_url("**/alerts")
        assert page.evaluate("document.activeElement.id") == "content"
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        page.keyboard.press("x")
        expect(page.locator("input[name=alert]:checked")).to_have_count(1)
        page.locator(".rows tbody tr").first.locator("a").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/alerts/\d+"))
        assert seen.faults == []


def test_a_slash_leads_to_the_search_of_the_page_and_letters_typed_there_stay_letters(
    furnished: Dashboard, browser: Browser
) -> None:
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        page = let_in(context, furnished, "viewer").go("/alerts")

        page.keyboard.press("/")
        page.keyboard.type("g a?j")

        expect(page.locator("input[name=task]")).to_have_value("g a?j")
        assert page.url.endswith("/alerts")


def test_what_is_focused_in_a_live_table_stays_so_when_it_changes(furnished: Dashboard, browser: Browser) -> None:
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        page = logged_in(context, furnished, "viewer").page
        link = page.locator("[sse-swap=running] a").first
        link.focus()
        address = link.get_attribute("href")

        with opened(furnished) as store:
            running(store, "invoices")

        expect(page.locator("[sse-swap=running] tbody tr")).to_have_count(2)
        assert page.evaluate("document.activeElement.getAttribute('href')") == address
