"""The page of health checks: values, remedies, looking again, and what nodes use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from tests.web.conftest import Dashboard
from tests.web.furniture import bind, furnish, opened, visitor
from tests.web.visitors import NARROW, WIDE, add_users, chromium, let_in

from smart_cron.core.sample import NodeSample

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def furnished(dashboard: Dashboard) -> Dashboard:
    add_users(dashboard)
    bind(dashboard, "clerk", ["office"])
    with opened(dashboard) as store:
        furnish(store)
        now = store.database.now()
        store.samples.add(NodeSample(node="vm", sampled_at=now, cpu_percent=12, memory_percent=34, disk_percent=56))
    return dashboard


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def test_a_check_is_told_with_value_threshold_and_remedy(furnished: Dashboard) -> None:
    page = visitor(furnished, "viewer").get("/health").body.decode()

    for words in ('id="disk_space"', "95 %", "90 %", "Make room.", "Unhealthy"):
        assert words in page
    assert "<script>alert" not in page


def test_who_sees_some_groups_only_reads_no_sentence_of_a_check(furnished: Dashboard) -> None:
    page = visitor(furnished, "clerk").get("/health").body.decode()

    assert "Disk space" in page
    assert "Make room." not in page
    assert "the disk is" not in page


def test_a_viewer_may_not_have_it_looked_again(furnished: Dashboard) -> None:
    viewer = visitor(furnished, "viewer")

    assert b"/health/check" not in viewer.get("/health").body
    assert viewer.post("/health/check").status == 403
    assert viewer.get("/health?node=nowhere").status == 404
    assert viewer.get("/health?nodes=vm").status == 400


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_an_operator_has_it_looked_again_and_sees_what_was_found_without_a_reload(
    furnished: Dashboard, browser: Browser, size: dict[str, int]
) -> None:
    with browser.new_context(viewport=size) as context:  # type: ignore[arg-type]
        seen = let_in(context, furnished, "operator")
        page = seen.go("/health")

        page.get_by_role("button", name="Look again").click()

        expect(page.locator("[sse-swap=checks]")).to_contain_text("Schema version", timeout=60_000)
        expect(page.locator("#usage-says")).to_contain_text("CPU")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert seen.faults == []
