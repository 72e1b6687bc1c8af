"""Alerts: who sees which, who may do what about them, and that they come and go without a reload."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, expect
from tests.web.conftest import Dashboard
from tests.web.furniture import HOSTILE, alarm, bind, furnish, opened, task_number, visitor
from tests.web.visitors import NARROW, WIDE, add_users, chromium, let_in

from smart_cron.core.alert import Severity
from smart_cron.core.audit import AuditFilter
from smart_cron.core.delivery import Address, DeliveryStatus, NewLetter
from smart_cron.core.message import MessageKind

pytestmark = pytest.mark.slow
WEBHOOK = "https://hooks.slack.com/services/T0/B0/very-secret"


@pytest.fixture(scope="module")
def numbers() -> dict[str, int]:
    """The alerts by what they are about; `furnished` fills it."""
    return {}


@pytest.fixture(scope="module")
def furnished(dashboard: Dashboard, numbers: dict[str, int]) -> Dashboard:
    add_users(dashboard)
    bind(dashboard, "clerk", ["office"], role="operator")
    with opened(dashboard) as store:
        numbers.update(furnish(store))
    return dashboard


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def fresh(dashboard: Dashboard, about: str = "orders") -> int:
    """Open another alert of a task; the one before is resolved first, since one cause has one open alert."""
    with opened(dashboard) as store:
        for each in store.alerts.alerts(resolved=False, task_id=task_number(store, about)):
            store.alerts.resolve(each.id, actor="test")
        return alarm(store, about, task_id=task_number(store, about), severity=Severity.WARNING)


def test_the_gravest_stand_first(furnished: Dashboard) -> None:
    page = visitor(furnished, "viewer").get("/alerts").body.decode()

    assert page.index("system is wrong") < page.index("invoices is wrong") < page.index("orders is wrong")


def test_a_viewer_sees_no_way_to_change_and_has_none(furnished: Dashboard, numbers: dict[str, int]) -> None:
    viewer = visitor(furnished, "viewer")

    assert b"/alerts/change" in viewer.get("/alerts").body
    assert b'name="action"' not in viewer.get("/alerts").body
    assert viewer.post("/alerts/change", action="resolve", alert=str(numbers["system"])).status == 403
    with opened(furnished) as store:
        assert not store.alerts.get(numbers["system"]).resolved


@pytest.mark.parametrize("role", ["operator", "editor", "admin"])
def test_who_operates_acknowledges_with_a_note_and_is_named(furnished: Dashboard, role: str) -> None:
    number, operator = fresh(furnished), visitor(furnished, role)

    answer = operator.post("/alerts/change", action="acknowledge", alert=str(number), note="looking", back="/alerts")

    assert (answer.status, answer.headers["location"]) == (302, "/alerts")
    page = operator.get(f"/alerts/{number}").body.decode()
    assert "looking" in page
    assert f"by {role}" in page
    with opened(furnished) as store:
        entry = store.audit.entries(AuditFilter(user=role, action="acknowledge"), limit=1)[0]
        assert (entry.entity_id, entry.source, entry.ip_address) == (number, "page", "127.0.0.1")
        found = store.alerts.get(number)
        assert (found.acknowledged, found.resolved) == (True, False)


def test_many_are_resolved_at_once(furnished: Dashboard) -> None:
    one, operator = fresh(furnished), visitor(furnished, "operator")
    other = fresh(furnished, "invoices")

    assert operator.post("/alerts/change", action="resolve", alert=[str(one), str(other)]).status == 302
    assert b"2 alerts are resolved." in operator.get("/alerts?state=history").body
    with opened(furnished) as store:
        assert all(store.alerts.get(number).resolved for number in (one, other))
    fresh(furnished, "invoices")


def test_a_snooze_ends_when_it_says_and_a_wake_ends_it_at_once(furnished: Dashboard) -> None:
    number, operator = fresh(furnished), visitor(furnished, "operator")

    operator.post("/alerts/change", None, **{"action": "snooze", "alert": str(number), "for": "4h"})
    with opened(furnished) as store:
        until = store.alerts.get(number).snoozed_until
        assert until is not None
        assert timedelta(hours=3.9) < until - store.database.now() < timedelta(hours=4.1)
    operator.post("/alerts/change", action="wake", alert=str(number))

    with opened(furnished) as store:
        assert store.alerts.get(number).snoozed_until is None


def test_who_is_let_near_one_group_sees_and_changes_its_alerts_only(
    furnished: Dashboard, numbers: dict[str, int]
) -> None:
    """SECURITY 3: what is not theirs is not found, and a list with one foreign alert changes none."""
    clerk = visitor(furnished, "clerk")

    page = clerk.get("/alerts").body
    assert b"invoices is wrong" in page
    assert b"orders is wrong" not in page
    assert b"system is wrong" not in page
    for foreign in (numbers["orders"], numbers["system"], 999_999):
        assert clerk.get(f"/alerts/{foreign}").status == 404
        assert clerk.post("/alerts/change", action="resolve", alert=str(foreign)).status == 404
        assert clerk.get(f"/alerts?after={foreign}").status == 404
    assert clerk.get(f"/alerts/{numbers['invoices']}").status == 200
    assert b"no task of this name" in clerk.get("/alerts?task=orders").body
    with opened(furnished) as store:
        assert not store.alerts.get(numbers["system"]).resolved


@pytest.mark.parametrize(
    "query",
    ["state=gone", "severity=grave", "type=x", "after=-1", "after=x", "after=1e3", "after=0", "sort=id",
     "state=active&state=active", "task=%00", "severity=critical'--", f"task={'x' * 300}"],
)  # fmt: skip
def test_an_odd_filter_is_a_bad_request_that_says_which_field_it_is(furnished: Dashboard, query: str) -> None:
    """SECURITY 5, 25."""
    answer = visitor(furnished, "viewer").get(f"/alerts?{query}")

    assert answer.status == 400
    assert query.partition("=")[0].encode() in answer.body


@pytest.mark.parametrize(
    "fields",
    [{"action": "delete"}, {"action": ""}, {"alert": "x"}, {"alert": "1 OR 1=1"}, {"for": "9y"}, {"note": "x" * 501},
     {"resolved_by": "me"}, {"id": "1"}],
)  # fmt: skip
def test_an_odd_change_changes_nothing(furnished: Dashboard, numbers: dict[str, int], fields: dict[str, str]) -> None:
    """SECURITY 4, 5."""
    operator = visitor(furnished, "operator")
    known = {"action": "resolve", "alert": str(numbers["system"])}

    assert operator.post("/alerts/change", None, **(known | fields)).status == 400
    with opened(furnished) as store:
        assert not store.alerts.get(numbers["system"]).resolved


@pytest.mark.parametrize(
    "back", ["https://evil.example/alerts", "//evil.example", "/logout", "/alerts/../logout", "javascript:x"]
)
def test_a_change_leads_back_to_alerts_and_nowhere_else(furnished: Dashboard, back: str) -> None:
    operator = visitor(furnished, "operator")

    answer = operator.post("/alerts/change", action="wake", alert=str(fresh(furnished)), back=back)

    assert answer.headers["location"].startswith("/alerts")
    assert "evil" not in answer.headers["location"]


def test_a_change_without_the_token_is_refused(furnished: Dashboard, numbers: dict[str, int]) -> None:
    """SECURITY 16."""
    operator = visitor(furnished, "operator")
    operator.token = "x"

    assert operator.post("/alerts/change", action="resolve", alert=str(numbers["system"])).status == 403
    assert operator.get("/alerts/change").status == 405


def test_who_was_told_is_named_with_the_answer_and_no_webhook_is_shown(furnished: Dashboard) -> None:
    """SECURITY 33."""
    number = fresh(furnished)
    with opened(furnished) as store:
        letter = NewLetter(
            address=Address("slack", WEBHOOK),
            kind=MessageKind.ALERT,
            severity=Severity.WARNING,
            fold_key="x",
            due_at=store.database.now(),
            alert_ids=(number,),
        )
        taken = store.outbox.post_taken(letter, by="test", seconds=60)
        store.outbox.close(taken.letter_id, DeliveryStatus.SENT, words="250 queued as <b>7</b>")

    page = visitor(furnished, "viewer").get(f"/alerts/{number}").body.decode()

    assert "https://hooks.slack.com/***" in page
    assert "250 queued as &lt;b&gt;7&lt;/b&gt;" in page
    assert "very-secret" not in page


def test_pages_go_on_where_they_ended(furnished: Dashboard) -> None:
    with opened(furnished) as store:
        for _ in range(60):
            store.session.execute(
                """INSERT INTO smart_cron_alerts (alert_type, severity, message, resolved, untold, last_occurred_at)
                 VALUES ('memory', 'info', 'of many', 1, 0, CURRENT_TIMESTAMP)"""
            )
    viewer = visitor(furnished, "viewer")

    first = viewer.get("/alerts?state=history&type=memory").body.decode()
    after = first.partition("after=")[2].partition('"')[0]
    second = viewer.get(f"/alerts?state=history&type=memory&after={after}").body.decode()

    assert (first.count("of many"), second.count("of many")) == (50, 10)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_an_alert_comes_and_goes_without_a_reload_and_what_was_ticked_stays_so(
    furnished: Dashboard, browser: Browser, numbers: dict[str, int], size: dict[str, int]
) -> None:
    with browser.new_context(viewport=size) as context:  # type: ignore[arg-type]
        seen = let_in(context, furnished, "operator")
        page = seen.go("/alerts")
        page.get_by_role("checkbox", name=f"Alert {numbers['system']}", exact=True).check()
        page.get_by_label("Note").fill("half a no")

        number = fresh(furnished)

        expect(page.locator(f"input[name=alert][value='{number}']")).to_be_visible()
        expect(page.get_by_role("checkbox", name=f"Alert {numbers['system']}", exact=True)).to_be_checked()
        expect(page.get_by_label("Note")).to_have_value("half a no")
        fresh(furnished)
        expect(page.locator(f"input[name=alert][value='{number}']")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert seen.faults == []


def test_acknowledged_in_the_browser_it_is_seen_by_somebody_else_at_once(
    furnished: Dashboard, browser: Browser
) -> None:
    number = fresh(furnished)
    with (
        browser.new_context(viewport=WIDE) as mine,  # type: ignore[arg-type]
        browser.new_context(viewport=WIDE) as theirs,  # type: ignore[arg-type]
    ):
        page = let_in(mine, furnished, "operator").go(f"/alerts/{number}")
        other = let_in(theirs, furnished, "viewer").go(f"/alerts/{number}")

        page.get_by_role("button", name="Acknowledge").click()

        expect(page.locator("#messages")).to_contain_text("1 alert is acknowledged.")
        expect(other.locator("[sse-swap=facts]")).to_contain_text("by operator")


def test_hostile_messages_and_names_are_text(furnished: Dashboard, browser: Browser, numbers: dict[str, int]) -> None:
    """SECURITY 21: in the list, on the alert, in its title and its stream."""
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        seen = let_in(context, furnished, "viewer")
        shouted: list[str] = []
        seen.page.on("dialog", lambda dialog: shouted.append(dialog.message))
        for path in ("/alerts", f"/alerts/{numbers[HOSTILE]}"):
            page = seen.go(path)
            expect(page.locator("main")).to_contain_text("<script>alert(1)</script>")
            assert page.locator("main img, main script:not([type='application/json'])").count() == 0
            assert "\x1b" not in page.content()
        assert (shouted, seen.faults) == ([], [])


def test_nobody_without_a_login_sees_an_alert(furnished: Dashboard, numbers: dict[str, int]) -> None:
    """SECURITY 1."""
    for path in ("/alerts", f"/alerts/{numbers['system']}"):
        answer = furnished.ask(path)
        assert (answer.status, b"wrong" in answer.body) == (302, False)
    assert furnished.ask("/stream/alerts").status == 401
