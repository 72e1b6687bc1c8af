"""Output in the dashboard: live, resumed, opened at its end, found again by line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.web.conftest import Dashboard
from tests.web.furniture import opened
from tests.web.printing import began, lines, listening, printed, ran
from tests.web.visitors import NARROW, WIDE, Visitor, add_users, chromium, let_in

from smart_cron.taskrunner.output import STDERR, STDOUT, OutputWriter, segment_path
from smart_cron.taskrunner.usage import STREAM

pytestmark = pytest.mark.slow
VISITORS: dict[str, Visitor] = {}
LONG_BYTES = 100_000_000


@pytest.fixture(scope="module")
def house(dashboard: Dashboard) -> Dashboard:
    add_users(dashboard, ["viewer", "operator"])
    for name in ("viewer", "operator"):
        VISITORS[name] = Visitor(dashboard)
        VISITORS[name].log_in(name)
    return dashboard


@pytest.fixture(scope="module")
def mastered(house: Dashboard) -> Dashboard:
    """With a master, so that runs go on while somebody looks."""
    house.house.start_master()
    return house


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def long_run(house: Dashboard) -> int:
    """Return a run whose output is a hundred megabytes."""
    number = printed(house, "long", b"x\n")
    path = house.house.home / "log" / "long.out"
    block = b"".join(b"line %07d of a long output, as tasks print them all day long\n" % at for at in range(1_000))
    writer = OutputWriter(str(path), 4 * LONG_BYTES)
    for second in range(LONG_BYTES // len(block)):
        writer.write(STDOUT, block, second * 1000)
    writer.write(STDERR, b"the very last line\n", 10_000_000)
    writer.close()
    with opened(house) as store:
        store.session.execute("UPDATE smart_cron_executions SET output_path = %s WHERE id = %s", [str(path), number])
    return number


def test_a_hundred_megabytes_open_at_their_end_and_go_both_ways(house: Dashboard, long_run: int) -> None:
    viewer = VISITORS["viewer"]

    began_at = time.monotonic()
    page = viewer.get(f"/runs/{long_run}")
    took = time.monotonic() - began_at
    shown = lines(page)
    last = viewer.get(f"/runs/{long_run}/output")
    before = viewer.get(f"/runs/{long_run}/output?before={last.headers['x-start']}")
    after = viewer.get(f"/runs/{long_run}/output?after={before.headers['x-start']}")

    assert shown[-1] == "the very last line"
    assert len(page.body) < 1_000_000
    # A second on a quiet machine; this one may be busy.
    assert took < 10
    assert before.headers["x-mark"] == last.headers["x-start"]
    assert lines(after)[0] == lines(before)[0]
    assert after.headers["x-more"] == "1"


def test_a_line_of_a_long_output_has_an_address(house: Dashboard, long_run: int, browser: Browser) -> None:
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        seen = let_in(context, house, "viewer")
        page = seen.go(f"/runs/{long_run}#L1000500")

        expect(page.locator("#L1000500.hit")).to_be_visible()
        expect(page.locator("#L1000500 .ox")).to_have_text(
            "line 0000499 of a long output, as tasks print them all day long"
        )
        page.locator("#tail").evaluate("tail => { tail.scrollTop = 0; }")
        expect(page.locator("#L1000400")).to_be_attached()
        page.get_by_role("button", name="End").click()
        expect(page.get_by_text("the very last line")).to_be_visible()
        page.get_by_label("Search the output").fill("very LAST")
        page.keyboard.press("Enter")
        expect(page.locator(".found a")).to_have_count(1)
        assert seen.faults == []


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_what_is_printed_appears_while_the_run_goes_on_and_its_end_is_told(
    mastered: Dashboard, browser: Browser, size: dict[str, int], tmp_path: Path
) -> None:
    name, gate = f"live-{size['width']}", tmp_path / "gate"
    command = f"echo begun; while [ ! -e {gate} ]; do sleep 0.05; done; printf 'goes '; sleep 0.3; echo on; echo oh >&2"
    mastered.house.add(name, command)
    number = began(mastered, name)
    with browser.new_context(viewport=size) as context:  # type: ignore[arg-type]
        seen = let_in(context, mastered, "viewer")
        page = seen.go(f"/runs/{number}")
        expect(page.locator("#L1 .ox")).to_have_text("begun")
        expect(page.locator(".run-status")).to_have_text("Running")

        gate.touch()

        expect(page.locator("#L2 .ox")).to_have_text("goes on")
        expect(page.locator("#L3.err .ox")).to_have_text("oh")
        expect(page.locator(".run-status")).to_have_text("Success")
        assert page.locator(".ol").count() == 3
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert seen.faults == []


def test_a_stream_goes_on_where_it_was_cut_without_gap_or_repeat(mastered: Dashboard, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    mastered.house.add(
        "steps", f"echo one; echo two; while [ ! -e {gate} ]; do sleep 0.05; done; echo three; echo four"
    )
    number, viewer = began(mastered, "steps"), VISITORS["viewer"]
    path = f"/stream/output/{number}"

    with listening(mastered, viewer, path) as events:
        first = events.until("two")
    gate.touch()
    with listening(mastered, viewer, path, first[-1]["id"]) as events:
        rest = events.until("over")
    with listening(mastered, viewer, f"{path}?at=4-0") as events:
        other = events.until("over")

    assert lines("".join(event["data"] for event in first)) == ["one", "two"]
    assert lines("".join(event["data"] for event in rest)) == ["three", "four"]
    assert lines("".join(event["data"] for event in other)) == ["two", "three", "four"]
    assert rest[-2]["id"] == "19-0"


def test_many_who_look_get_the_same_events(mastered: Dashboard, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    mastered.house.add("shared", f"echo one; while [ ! -e {gate} ]; do sleep 0.05; done; echo two")
    number, viewer = began(mastered, "shared"), VISITORS["viewer"]
    path = f"/stream/output/{number}"

    with listening(mastered, viewer, path) as one, listening(mastered, viewer, path) as other:
        seen = [one.until("one")[-1], other.until("one")[-1]]
        gate.touch()
        seen += [one.until("two")[-1], other.until("two")[-1]]

    assert seen[0] == seen[1]
    assert seen[2] == seen[3]


@pytest.mark.parametrize("query", ["?stream=all", "?at=x", "?at=9-9"])
def test_a_stream_that_names_what_is_not_there_gives_nothing_away(house: Dashboard, query: str) -> None:
    number = printed(house, f"odd{abs(hash(query))}", b"secret\n")
    path = f"/stream/output/{number}{query}"

    if query == "?stream=all":
        assert VISITORS["viewer"].get(path).status == 404
        return
    with listening(house, VISITORS["viewer"], path) as events:
        assert [event.get("event") for event in events.until("over")] == ["over"]


def test_sixty_four_megabytes_without_a_newline_are_shown_in_pieces(house: Dashboard) -> None:
    number = ran(house, "endless", "head -c 64000000 /dev/zero | tr '\\0' 'x'")
    viewer = VISITORS["viewer"]

    page = viewer.get(f"/runs/{number}")
    first = viewer.get(f"/runs/{number}/output?after=0-0")

    assert page.status == 200
    assert len(page.body) < 500_000
    assert len(lines(first)) == 1
    assert len(first.body) < 100_000
    assert "were left out here" in viewer.get(f"/runs/{number}/output?after=4990000-0").body.decode()


def test_what_a_run_uses_is_drawn_while_it_goes_on(mastered: Dashboard, browser: Browser, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    mastered.house.add("hungry", f"while [ ! -e {gate} ]; do sleep 0.05; done")
    number = began(mastered, "hungry")
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        seen = let_in(context, mastered, "viewer")
        page = seen.go(f"/runs/{number}")

        expect(page.get_by_role("heading", name="Memory and CPU")).to_be_visible()
        expect(page.locator("#usage-says")).to_contain_text("MB of memory at most", timeout=30_000)
        assert seen.faults == []
    gate.touch()


def test_what_a_run_used_is_there_afterwards(house: Dashboard) -> None:
    number = printed(house, "used", b"x\n")
    path = house.house.home / "log" / "used.out"
    path.touch()
    noted = "".join(f"{5 + 30 * look}.0 {(50 + look) * 1_000_000} {look * 15}.00 3\n" for look in range(20))
    Path(segment_path(str(path), STREAM, 1)).write_text(noted)
    with opened(house) as store:
        store.session.execute("UPDATE smart_cron_executions SET output_path = %s WHERE id = %s", [str(path), number])
    viewer = VISITORS["viewer"]

    page = viewer.get(f"/runs/{number}").body.decode()
    assert "69.0 MB of memory at most; 4 min 45 s of CPU within 9 min 35 s, in 3 processes at the end." in page
    looks = json.loads(viewer.get(f"/api/v1/runs/{number}/usage").body)
    assert [looks[1][name] for name in ("seconds", "memory_bytes", "cpu_percent")] == [35.0, 51_000_000, 50.0]
    assert "Memory and CPU" not in viewer.get(f"/runs/{printed(house, 'brief', b'x')}").body.decode()
