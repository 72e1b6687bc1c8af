"""SECURITY 41: nothing that somebody saw stays in the browser: no page is kept, no secret stored, and logout clears."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from tests.security.ground import CANARY, Ground
from tests.web.api_callers import Caller, make_key
from tests.web.visitors import WIDE, chromium, logged_in

pytestmark = pytest.mark.slow
# What scripts keep: the choice between light and dark, whether a key led to this page, and htmx the address of it, as
# long as the tab is open.
KEPT = {"smart-cron-theme", "smart-cron-focus", "htmx-current-path-for-history"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def test_no_page_piece_or_operation_may_be_kept(ground: Ground) -> None:
    admin = ground.visitor("admin")
    caller = Caller(ground.dashboard, make_key(ground.dashboard.house, "admin", "admin"))

    for path in ground.everything.addresses(ground.values):
        if not path.startswith(("/static/", "/stream/")):
            assert "no-store" in admin.get(path).headers["cache-control"], path
    for each in ground.everything.operations:
        if each.method == "GET":
            answer = caller.ask("GET", each.address(ground.values).removeprefix("/api/v1"))
            assert "no-store" in answer.headers["cache-control"], each


def test_a_browser_keeps_nothing_of_what_it_showed(ground: Ground, browser: Browser) -> None:
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        seen = logged_in(context, ground.dashboard, "admin")
        for path in (
            "/tasks",
            "/tasks/printer",
            "/tasks/new",
            "/runs/1",
            "/logs",
            "/alerts",
            "/settings/keys",
            "/account",
        ):
            seen.go(path)
        seen.page.keyboard.press("Control+k")
        seen.page.keyboard.type(CANARY)
        kept = json.loads(
            seen.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
        )

        assert set(kept[0]) | set(kept[1]) <= KEPT
        assert CANARY not in str(kept)
        assert kept[2] == "", "scripts see no cookie"
        assert seen.page.evaluate("indexedDB.databases().then((all) => all.length)") == 0
        assert seen.page.evaluate("navigator.serviceWorker?.getRegistrations().then((all) => all.length) ?? 0") == 0


def test_logging_out_has_the_browser_forget(ground: Ground, browser: Browser) -> None:
    visitor = ground.visitor("viewer")
    assert visitor.post("/logout").headers["clear-site-data"] == '"cache", "storage"'

    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        seen = logged_in(context, ground.dashboard, "viewer")
        seen.page.evaluate("localStorage.setItem('left', 'behind')")
        seen.page.evaluate("document.querySelector('form[action$=\"/logout\"]').submit()")
        seen.page.wait_for_url("**/login*")

        assert seen.page.evaluate("localStorage.getItem('left')") is None
        seen.page.go_back()
        assert CANARY not in seen.page.content()
