"""The list of runs and the page of one: what they say to whom, what each role may do, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, expect
from tests.web.conftest import Dashboard
from tests.web.furniture import add, bind, opened, running
from tests.web.printing import last_run, printed, ran
from tests.web.visitors import NARROW, ROLES, WIDE, Visitor, add_users, chromium, let_in

pytestmark = pytest.mark.slow
RUNS: dict[str, int] = {}
VISITORS: dict[str, Visitor] = {}


@pytest.fixture(scope="module")
def house(dashboard: Dashboard) -> Dashboard:
    add_users(dashboard)
    bind(dashboard, "clerk", ["office"], role="operator")
    RUNS["invoices"] = ran(dashboard, "invoices", "echo sent; echo 'no such table' >&2; exit 3", "--group", "office")
    RUNS["orders"] = printed(dashboard, "orders", b"one\ntwo\nneedle here\n", "--group", "shop")
    with opened(dashboard) as store:
        add(store, "sync", group="shop")
        RUNS["elsewhere"] = running(store, "sync")
    return dashboard


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def visitor_of(dashboard: Dashboard, name: str) -> Visitor:
    """Return somebody who is logged in; a password takes a while, so once for all tests."""
    if name not in VISITORS:
        VISITORS[name] = Visitor(dashboard)
        VISITORS[name].log_in(name)
    return VISITORS[name]


@pytest.mark.parametrize("role", ROLES)
def test_every_role_sees_the_runs_with_what_went_wrong_and_the_figures_of_the_hours(
    house: Dashboard, role: str
) -> None:
    page = visitor_of(house, role).get("/runs").body.decode()

    assert "Exit code 3: no such table" in page
    assert "orders" in page
    assert "50 %" in page
    assert 'sse-connect="/stream/runs?"' in page


@pytest.mark.parametrize(
    ("query", "there", "not_there"),
    [
        ("task=invoices", "invoices", "orders"),
        ("status=failed&since=today", "invoices", "orders"),
        ("status=success", "orders", "invoices"),
        ("status=running", "sync", "orders"),
        ("exit_code=3", "invoices", "orders"),
        ("trigger=cron", "There is no such run.", "invoices"),
        ("least=1000", "There is no such run.", "invoices"),
        ("since=2020-01-01&until=2020-01-02", "There is no such run.", "invoices"),
        ("since=24h", "invoices", "sync-x"),
    ],
)
def test_each_filter_shows_its_runs(house: Dashboard, query: str, there: str, not_there: str) -> None:
    answer = visitor_of(house, "viewer").get(f"/runs?{query}")
    table = answer.body.decode().split('sse-swap="table"')[1]

    assert answer.status == 200
    assert there in table
    assert not_there not in table


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("task=nothing", "There is no task of this name."),
        ("since=soon", "Write 2026-11-28"),
        ("since=2026-13-45", "Write 2026-11-28"),
        ("since=today&until=yesterday", "not after"),
        ("least=NaN", "number"),
        ("least=1e999", "number"),
        ("exit_code=9999999999999", "less than or equal"),
        ("trigger=nobody", "valid choice"),
        ("sort=id", "There is no filter"),
        ("task=invoices&task=orders", "given twice"),
    ],
)
def test_what_no_filter_takes_is_refused_with_words_on_the_field_and_nothing_typed_is_lost(
    house: Dashboard, query: str, words: str
) -> None:
    answer = visitor_of(house, "viewer").get(f"/runs?{query}")

    assert answer.status == 400
    assert words in answer.body.decode()


def test_who_is_let_near_one_group_sees_its_runs_alone_and_cannot_ask_for_others(house: Dashboard) -> None:
    clerk = visitor_of(house, "clerk")

    page = clerk.get("/runs").body.decode()
    assert "invoices" in page
    assert "orders" not in page
    assert clerk.get("/runs?task=orders").status == 400
    assert clerk.get(f"/runs/{RUNS['invoices']}").status == 200
    for path in ("", "/output", "/raw", "/search?words=x"):
        assert clerk.get(f"/runs/{RUNS['orders']}{path}").status == 404
    for path in (f"/stream/output/{RUNS['orders']}", f"/stream/run?id={RUNS['orders']}"):
        assert clerk.get(path).status == 404
    for verb in ("kill", "rerun"):
        assert clerk.post(f"/runs/{RUNS['orders']}/{verb}").status == 404


@pytest.mark.parametrize("number", ["999999", "0", "-1", "x", "a'b", "9" * 40, "..", "%00", "%2e%2e%2fetc"])
def test_what_is_no_run_is_not_found(house: Dashboard, number: str) -> None:
    viewer = visitor_of(house, "viewer")

    for path in ("", "/output", "/raw", "/search?words=x"):
        assert viewer.get(f"/runs/{number}{path}").status == 404


def test_a_run_says_its_error_first_and_everything_that_is_known(house: Dashboard) -> None:
    page = visitor_of(house, "viewer").get(f"/runs/{RUNS['invoices']}").body.decode()

    assert page.index("Exit code 3: no such table") < page.index("<dl")
    for words in ("Manual", "Attempt", "Exit code", "sent", "no such table"):
        assert words in page
    assert "data-opens" not in page


def test_a_run_is_found_by_its_run_id(house: Dashboard) -> None:
    with opened(house) as store:
        run_id = store.runs.brief(str(RUNS["invoices"]))["run_id"]

    assert visitor_of(house, "viewer").get(f"/runs/{run_id}").status == 200


def test_a_run_of_another_node_says_where_its_output_is(house: Dashboard) -> None:
    page = visitor_of(house, "viewer").get(f"/runs/{RUNS['elsewhere']}").body.decode()

    assert "This runs on web-1, and its output is there." in page


def test_an_output_whose_file_is_gone_is_shown_from_the_copy_and_says_so(house: Dashboard) -> None:
    number = printed(house, "gone", b"kept copy\n")
    with opened(house) as store:
        store.session.execute(
            "UPDATE smart_cron_executions SET output_path = '/var/log/smart-cron/none', node = 'other' WHERE id = %s",
            [number],
        )
    viewer = visitor_of(house, "viewer")

    page = viewer.get(f"/runs/{number}").body.decode()
    assert "This is the copy in the database" in page
    assert "kept copy" in page
    assert viewer.get(f"/runs/{number}/raw").body == b"kept copy\n"


@pytest.mark.parametrize("verb", ["kill", "rerun"])
def test_a_viewer_ends_and_starts_nothing(house: Dashboard, verb: str) -> None:
    viewer = visitor_of(house, "viewer")
    before = last_run(house, "invoices")

    assert viewer.post(f"/runs/{RUNS['elsewhere']}/{verb}").status == 403
    assert viewer.get(f"/runs/{RUNS['elsewhere']}/{verb}").status == 405
    assert last_run(house, "invoices") == before


@pytest.mark.parametrize("role", ["operator", "editor", "admin"])
def test_an_operator_runs_a_run_again_and_ends_it(house: Dashboard, role: str) -> None:
    visitor = visitor_of(house, role)

    answer = visitor.post(f"/runs/{RUNS['orders']}/rerun")
    number = last_run(house, "orders")
    assert (answer.status, answer.headers["location"]) == (302, f"/runs/{number}")
    assert number != RUNS["orders"]
    assert visitor.post(f"/runs/{number}/kill").status == 302
    with opened(house) as store:
        assert store.runs.brief(str(number))["status"] == "killed"
        rows = store.session.rows("SELECT actor FROM smart_cron_audit_log ORDER BY id DESC LIMIT 2")
    assert [row[0] for row in rows] == [role, role]


def test_a_change_without_the_token_or_with_fields_that_there_are_none_of_changes_nothing(house: Dashboard) -> None:
    visitor = replace(visitor_of(house, "operator"))
    before = last_run(house, "orders")

    assert visitor.post(f"/runs/{RUNS['orders']}/rerun", run_as="root").status == 400
    visitor.token = "x" * 64
    assert visitor.post(f"/runs/{RUNS['orders']}/rerun").status == 403
    assert last_run(house, "orders") == before


def test_words_are_found_in_the_output_with_links_to_their_lines(house: Dashboard) -> None:
    viewer = visitor_of(house, "viewer")

    found = viewer.get(f"/runs/{RUNS['orders']}/search?words=NEEDLE").body.decode()
    assert 'href="#L3"' in found
    assert "needle here" in found
    assert "No line holds this" in viewer.get(f"/runs/{RUNS['orders']}/search?words=%3Cb%3E").body.decode()
    for wrong in ("", "?words=", f"?words={'x' * 201}", "?words=x&stream=all", "?words=x&path=/etc/passwd"):
        assert viewer.get(f"/runs/{RUNS['orders']}/search{wrong}").status == 400


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_browser_goes_from_the_list_to_a_failure_and_runs_it_again_after_asking(
    house: Dashboard, browser: Browser, size: dict[str, int]
) -> None:
    with browser.new_context(viewport=size) as context:  # type: ignore[arg-type]
        seen = let_in(context, house, "operator")
        page = seen.go("/runs?status=failed&since=today")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.get_by_role("link", name=str(RUNS["invoices"]), exact=True).click()
        expect(page.get_by_text("Exit code 3: no such table")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

        page.get_by_role("button", name="Run again").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.get_by_role("button", name="Run it").click()
        expect(page.get_by_text("This is the new run")).to_be_visible()
        page.get_by_role("button", name="End", exact=True).first.click()
        page.get_by_role("button", name="End it").click()
        expect(page.get_by_text("The run will not start.")).to_be_visible()
        assert seen.faults == []


def test_the_list_takes_up_a_new_run_without_a_reload(house: Dashboard, browser: Browser) -> None:
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        seen = let_in(context, house, "viewer")
        page = seen.go("/runs?status=success")
        expect(page.locator("table.runs")).to_be_visible()
        number = printed(house, "fresh", b"hello\n")

        expect(page.get_by_role("link", name=str(number), exact=True)).to_be_visible()
        assert seen.faults == []
