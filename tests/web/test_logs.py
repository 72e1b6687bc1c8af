"""The log in the dashboard: to whom, filtered, live, older lines on demand, and where streams are blocked."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.web.conftest import Dashboard
from tests.web.furniture import bind
from tests.web.printing import listening
from tests.web.visitors import NARROW, ROLES, WIDE, Visitor, add_users, chromium, let_in

pytestmark = pytest.mark.slow
VISITORS: dict[str, Visitor] = {}
PAST = "2026-01-05"


@pytest.fixture(scope="module")
def house(dashboard: Dashboard) -> Dashboard:
    add_users(dashboard)
    bind(dashboard, "clerk", ["office"], role="operator")
    for name in (*ROLES, "clerk"):
        VISITORS[name] = Visitor(dashboard)
        VISITORS[name].log_in(name)
    levels = ("INFO", "WARNING", "ERROR")
    past = b"".join(line(f"line {number}", levels[number % 3]) for number in range(900))
    (dashboard.house.home / "log" / f"health-{PAST}.log.gz").write_bytes(gzip.compress(past))
    return dashboard


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def line(message: str, level: str = "INFO") -> bytes:
    entry = {
        "timestamp": f"{PAST} 10:00:00.000000",
        "level": level,
        "message": message,
        "context": {"task": "<b>x</b>"},
    }
    return json.dumps({**entry, "utc": f"{PAST}T10:00:00.000000Z"}).encode() + b"\n"


def today(house: Dashboard) -> Path:
    return max((house.house.home / "log").glob("master-*.log"))


def write(house: Dashboard, message: str, level: str = "INFO") -> None:
    with open(today(house), "ab") as file:
        file.write(line(message, level))


@pytest.mark.parametrize("role", ROLES)
def test_who_is_let_near_all_groups_sees_the_log(house: Dashboard, role: str) -> None:
    assert "Dashboard started" in VISITORS[role].get("/logs").body.decode()


def test_who_is_let_near_some_groups_does_not_since_lines_name_every_task(house: Dashboard) -> None:
    clerk, day = VISITORS["clerk"], today(house).name[7:17]

    for path in (
        "/logs",
        f"/logs/raw?kind=master&day={day}",
        f"/logs/older?day={day}&before=9",
        f"/logs/newer?after={day}:0",
    ):
        answer = clerk.get(path)
        assert answer.status == 403
        assert b"Dashboard started" not in answer.body
    assert clerk.get("/stream/log").status == 404


def test_level_and_text_choose_lines_of_a_packed_day_and_older_ones_come_on_demand(house: Dashboard) -> None:
    viewer = VISITORS["viewer"]

    page = viewer.get(f"/logs?kind=health&day={PAST}&level=ERROR&text=LINE").body.decode()
    older = viewer.get(f"/logs/older?kind=health&day={PAST}&before=1000")

    assert page.count('class="ll lv-error"') == 300
    assert "lv-info" not in page
    assert "line 899" in page
    assert "&lt;b&gt;x" in page
    assert "line 0 " in older.body.decode()
    assert older.headers["x-start"] == "0"
    assert viewer.get(f"/logs/raw?kind=health&day={PAST}").body.count(b"\n") == 900


@pytest.mark.parametrize(
    "query",
    ["kind=audit", "level=LOUD", "level=error", "day=2020-01-01", f"text={'x' * 201}", "sort=1", "kind=master&kind=x"],
)
def test_what_no_list_offers_is_refused(house: Dashboard, query: str) -> None:
    assert VISITORS["viewer"].get(f"/logs?{query}").status in (400, 404)


def test_a_stream_of_the_log_goes_on_at_a_byte_and_keeps_to_its_filter(house: Dashboard) -> None:
    viewer, path = VISITORS["viewer"], "/stream/log?kind=master&level=ERROR"
    begin = f"{today(house).name[7:17]}:{today(house).stat().st_size}"

    with listening(house, viewer, path, begin) as events:
        write(house, "quiet")
        write(house, "first", "ERROR")
        seen = events.until("first")
    write(house, "second", "ERROR")
    with listening(house, viewer, path, seen[-1]["id"]) as events:
        rest = events.until("second")

    assert "quiet" not in "".join(event["data"] for event in seen)
    assert "first" not in "".join(event["data"] for event in rest)


def test_where_streams_are_blocked_a_script_may_ask_for_what_came(house: Dashboard) -> None:
    viewer, day = VISITORS["viewer"], today(house).name[7:17]
    size = today(house).stat().st_size
    write(house, "came meanwhile")

    answer = viewer.get(f"/logs/newer?kind=master&after={day}:{size}")

    assert "came meanwhile" in answer.body.decode()
    assert answer.headers["x-mark"] == f"{day}:{today(house).stat().st_size}"


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_lines_appear_as_they_are_written_and_a_pause_holds_them_back(
    house: Dashboard, browser: Browser, size: dict[str, int]
) -> None:
    with browser.new_context(viewport=size) as context:  # type: ignore[arg-type]
        seen = let_in(context, house, "viewer")
        page = seen.go("/logs")
        write(house, f"written at {size['width']}", "ERROR")
        expect(page.locator(".lv-error", has_text=f"written at {size['width']}")).to_be_visible()
        page.get_by_role("button", name="Pause").click()
        write(house, f"held back at {size['width']}")
        page.wait_for_timeout(1500)  # What must not appear can only be waited for.
        expect(page.get_by_text(f"held back at {size['width']}")).to_have_count(0)

        page.get_by_role("button", name="Pause").click()

        expect(page.get_by_text(f"held back at {size['width']}")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert seen.faults == []


def test_a_page_whose_stream_is_blocked_asks_by_itself(house: Dashboard, browser: Browser) -> None:
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        seen = let_in(context, house, "viewer")
        seen.page.route("**/stream/log*", lambda route: route.abort())
        page = seen.go("/logs")
        write(house, "without a stream")

        expect(page.get_by_text("without a stream")).to_be_visible(timeout=60_000)
        expect(page.get_by_text("Asking every 30 seconds")).to_be_visible()
