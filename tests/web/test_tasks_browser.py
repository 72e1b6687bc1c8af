"""The whole path of a task in a real browser: added, edited, run, disabled, deleted; by mouse, by keys, on a phone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.conftest import Dashboard
from tests.web.furniture import furnish, opened
from tests.web.task_forms import script
from tests.web.visitors import NARROW, WIDE, Watched, add_users, chromium, let_in

from smart_cron.faces.web.task_key import key_of

pytestmark = pytest.mark.slow
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
# What a change may take to be seen, on a machine that is busy.
SEEN_MS = 20_000


@pytest.fixture(scope="module")
def manned(dashboard: Dashboard) -> Dashboard:
    """A dashboard with people, tasks and a master that starts what it is asked for."""
    add_users(dashboard)
    with opened(dashboard) as store:
        furnish(store)
    dashboard.house.start_master()
    return dashboard


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def seen(manned: Dashboard, browser: Browser, size: dict[str, int]) -> Iterator[Watched]:
    """An editor; nothing may go wrong in the page, and nothing may stick out of it."""
    with browser.new_context(viewport=size) as context:  # type: ignore[arg-type]
        watched = let_in(context, manned, "editor")
        yield watched
        assert fits(watched.page)
        assert watched.faults == []


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def title(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible(timeout=SEEN_MS)


@SIZES
def test_a_task_is_added_edited_run_disabled_and_deleted(
    manned: Dashboard, seen: Watched, size: dict[str, int]
) -> None:
    page, name = seen.go("/tasks"), f"path{size['width']}"
    page.get_by_role("link", name="Add a task").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Script", exact=True).fill(script(manned))
    page.get_by_label("Schedule", exact=True).fill("30 2 * * *")
    expect(page.locator("#forecast")).to_contain_text("At 02:30 every day", timeout=SEEN_MS)
    expect(page.locator("#forecast li")).to_have_count(10)
    page.get_by_role("button", name="Add the task").click()
    title(page, name)

    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Description").fill("Changed by hand")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Changed by hand")).to_be_visible(timeout=SEEN_MS)

    page.get_by_role("button", name="Run now").click()
    page.get_by_role("button", name="Run it").dblclick()
    title(page, name)
    # Nothing but the stream tells the page that it ran.
    expect(page.locator("[sse-swap=standing] .outcome-success")).to_be_visible(timeout=SEEN_MS)
    expect(page.locator(".runs-list li")).to_have_count(1)

    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("button", name="Enable")).to_be_visible(timeout=SEEN_MS)
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("button", name="Delete it")).to_be_disabled()
    page.get_by_label("Type its name").fill(name)
    page.get_by_role("button", name="Delete it").click()
    title(page, "Tasks")
    expect(page.locator("tbody")).not_to_contain_text(name)


@SIZES
def test_each_page_of_a_task_fits_and_has_no_fault(seen: Watched, size: dict[str, int]) -> None:
    for path in ("", "/statistics?reach=year", "/slots", "/why?at=-1d", "/revisions", "/edit"):
        for name in ("invoices", key_of("<img src=x onerror=alert(1)>")):
            page = seen.go(f"/tasks/{name}{path}")
            expect(page.locator("main")).to_be_visible()
            assert fits(page), path
    assert fits(seen.go("/tasks"))
    assert fits(seen.go("/tasks/new"))


@pytest.mark.parametrize("size", [WIDE], ids=["wide"])
def test_what_was_ticked_stays_ticked_when_the_list_changes_and_all_is_done_at_once(
    manned: Dashboard, seen: Watched, size: dict[str, int]
) -> None:
    page = seen.go("/tasks?q=orders")
    box = page.get_by_label("orders", exact=True)
    expect(page.get_by_role("button", name="Disable")).to_be_disabled()
    box.check()
    with opened(manned) as store:
        task = store.tasks.get("orders")
        store.session.execute("UPDATE smart_cron_tasks_config SET consecutive_failures = 7 WHERE id = %s", [task.id])
    expect(page.locator("tbody")).to_contain_text("failed 7 times", timeout=SEEN_MS)
    expect(box).to_be_checked()
    page.get_by_role("button", name="Disable").click(timeout=SEEN_MS)
    expect(page.locator("#messages")).to_contain_text("1 task disabled.", timeout=SEEN_MS)


@pytest.mark.parametrize("size", [WIDE], ids=["wide"])
def test_a_task_is_found_opened_and_run_without_a_mouse(seen: Watched, size: dict[str, int]) -> None:
    page = seen.go("/tasks")
    page.get_by_role("searchbox").focus()
    page.keyboard.type("invoices")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks?q=invoices**")
    focus(page, "a.name")
    page.keyboard.press("Enter")
    title(page, "invoices")
    focus(page, "[data-dialog='#ask-run']")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Enter")
    focus(page, "#ask-run [type=submit]")
    page.keyboard.press("Enter")
    expect(page.locator("#messages")).to_contain_text("is asked for", timeout=SEEN_MS)


def focus(page: Page, selector: str) -> None:
    """Go on by the Tab key until this has the focus."""
    for _ in range(60):
        if page.evaluate("selector => document.activeElement?.matches(selector) ?? false", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way to {selector} by the Tab key")


@pytest.mark.parametrize("size", [WIDE], ids=["wide"])
def test_faults_are_named_at_the_top_and_lead_to_their_fields(seen: Watched, size: dict[str, int]) -> None:
    page = seen.go("/tasks/new")
    page.get_by_label("Name", exact=True).fill("odd name")
    page.get_by_label("Schedule", exact=True).fill("often")
    page.get_by_role("button", name="Add the task").click()
    faults = page.locator("#faults")
    expect(faults).to_be_focused(timeout=SEEN_MS)
    expect(faults).to_contain_text("things stand in the way")
    faults.get_by_role("link", name="Schedule").click()
    expect(page.get_by_label("Schedule", exact=True)).to_have_value("often")
    seen.faults.clear()  # The browser calls an answer of 400 a fault.
