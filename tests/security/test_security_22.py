"""SECURITY 22: hostile output through page, stream, search and download is text only; of ANSI only colours remain."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from tests.web.conftest import Dashboard, dashboard
from tests.web.printing import HOSTILE, listening, printed
from tests.web.visitors import WIDE, Visitor, add_users, chromium, let_in

__all__ = ["dashboard"]
pytestmark = pytest.mark.slow
RUN: dict[str, int] = {}


@pytest.fixture(scope="module")
def viewer(dashboard: Dashboard) -> Visitor:
    add_users(dashboard, ["viewer"])
    RUN["hostile"] = printed(dashboard, "hostile", HOSTILE, exit_code=1)
    visitor = Visitor(dashboard)
    visitor.log_in("viewer")
    return visitor


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def is_tame(html: str) -> bool:
    """Whether nothing of it can act: no markup of the output's, no control character."""
    raw = (
        "<script>alert",
        "<img",
        "<b>forged",
        'onmouseover="alert',
        "javascript:",
        "\x1b",
        "\0",
        "\x07",
        "\u202e",
        "\u2028",
    )
    return not any(words in html for words in raw)


def test_the_page_and_every_piece_hold_it_as_text(viewer: Visitor) -> None:
    for path in ("", "/output", "/output?after=0-0", "/search?words=forged", "/search?words=%3Cscript"):
        answer = viewer.get(f"/runs/{RUN['hostile']}{path}")

        assert answer.status == 200
        body = answer.body.decode()
        assert is_tame(body.replace("<script src=", ""))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in viewer.get(f"/runs/{RUN['hostile']}/output").body.decode()


def test_colours_remain_as_classes_and_links_and_titles_go(viewer: Visitor) -> None:
    body = viewer.get(f"/runs/{RUN['hostile']}/output").body.decode()

    assert '<span class="fg1">red</span>' in body
    assert "cleared link" in body
    assert "title" not in body.split('class="fg1"')[1].split("</div>")[0]


def test_the_stream_forges_no_event(viewer: Visitor) -> None:
    with listening(viewer.dashboard, viewer, f"/stream/output/{RUN['hostile']}?at=0-0") as events:
        seen = events.until("over")

    assert [event["event"] for event in seen] == ["grown", "over"]
    assert seen[0]["id"] == f"{len(HOSTILE)}-0"
    assert is_tame(seen[0]["data"])


def test_the_download_is_every_byte_as_a_file_of_text(viewer: Visitor) -> None:
    answer = viewer.get(f"/runs/{RUN['hostile']}/raw?stream=stdout")

    assert answer.body == HOSTILE
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_browser_runs_none_of_it(viewer: Visitor, browser: Browser) -> None:
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        seen = let_in(context, viewer.dashboard, "viewer")
        # Where somebody listens a dialog stays open, and the page would stand still.
        seen.page.on("dialog", lambda dialog: seen.faults.append(dialog.message))
        page = seen.go(f"/runs/{RUN['hostile']}")
        expect(page.get_by_text("<script>alert(1)</script><img src=x onerror=alert(2)>", exact=True)).to_be_visible()
        page.get_by_label("Search the output").fill("<img")
        page.keyboard.press("Enter")
        expect(page.locator(".found a")).to_have_count(1)

        assert page.locator("#tail script, #tail img, #tail b, #found img").count() == 0
        assert seen.faults == []
