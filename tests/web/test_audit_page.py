"""The audit log's page: who sees it, what differs, and whether it is as it was written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from tests.web.conftest import Dashboard
from tests.web.furniture import HOSTILE, bind, furnish, opened, visitor
from tests.web.visitors import ROLES, WIDE, add_users, chromium, let_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def furnished(dashboard: Dashboard) -> Dashboard:
    add_users(dashboard)
    bind(dashboard, "clerk", ["office"], role="editor")
    with opened(dashboard) as store:
        furnish(store)
        store.audit.note(
            "update",
            actor="mallory",
            entity=("task", 1, HOSTILE),
            old={"priority": 5, "environment": "A=1"},
            new={"priority": 3, "environment": HOSTILE},
        )
    return dashboard


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def test_editors_and_admins_who_see_all_groups_read_it_and_nobody_else(furnished: Dashboard) -> None:
    answers = {name: visitor(furnished, name).get("/audit").status for name in ROLES}

    assert answers == {"viewer": 403, "operator": 403, "editor": 200, "admin": 200}
    assert visitor(furnished, "clerk").get("/audit").status == 404
    assert b"event:" not in visitor(furnished, "viewer").get("/stream/audit").body


def test_before_and_after_stand_side_by_side_and_secrets_do_not(furnished: Dashboard) -> None:
    page = visitor(furnished, "editor").get("/audit?who=mallory").body.decode()

    assert "<del>5</del>" in page
    assert "<ins>3</ins>" in page
    assert "(hidden)" in page
    assert "A=1" not in page
    assert "<img src" not in page


def test_filters_are_taken_together_and_page_on(furnished: Dashboard) -> None:
    editor = visitor(furnished, "editor")

    assert b"no such row" in editor.get("/audit?who=mallory&action=delete").body
    assert b"mallory" in editor.get("/audit?who=mallory&from=2026-01-01&to=2099-01-01T10:00").body
    assert b"mallory" not in editor.get("/audit?to=2026-01-01").body
    assert b"no such row" in editor.get("/audit?before=1").body


@pytest.mark.parametrize(
    "query", ["from=yesterday", "to=1e999", "before=x", "sort=id", "who=a&who=b", "from=9999-12-31"]
)
def test_an_odd_filter_is_a_bad_request(furnished: Dashboard, query: str) -> None:
    assert visitor(furnished, "editor").get(f"/audit?{query}").status == 400


def test_an_admin_has_it_verified_and_an_editor_may_not(furnished: Dashboard, browser: Browser) -> None:
    assert visitor(furnished, "editor").post("/audit/verify").status == 403
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        seen = let_in(context, furnished, "admin")
        page = seen.go("/audit")

        page.get_by_role("button", name="Verify").click()

        expect(page.locator("[sse-swap=verified]")).to_contain_text("The audit log is as it was written")
        expect(page.locator("[sse-swap=rows]")).to_contain_text("verify")
        assert seen.faults == []
