"""SECURITY 2: who may not is refused on every page and operation, changes nothing, and is written down."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.security.ground import Ground
from tests.web.addresses import may
from tests.web.api_callers import Caller, make_key
from tests.web.visitors import ROLES

pytestmark = pytest.mark.slow
AUDIT = ("smart_cron_audit_log", "smart_cron_audit_head")
LOGIN = ("usersessions_usersession", "smart_cron_users")


def denials(ground: Ground, name: str) -> Counter[tuple[str, str]]:
    return Counter(
        (str(row["new_values"]["method"]), str(row["new_values"]["path"]))  # type: ignore[index]
        for row in ground.audited("deny")
        if row["actor"] == name
    )


@pytest.mark.parametrize("role", ROLES[:-1])
def test_pages_that_need_more_are_refused_and_each_try_is_written_down(ground: Ground, role: str) -> None:
    visitor, told = ground.visitor(role), denials(ground, role)
    tables, tried = ground.tables(*AUDIT), Counter[tuple[str, str]]()
    for page in ground.everything.pages:
        address = page.address(ground.values)
        if page.see not in ("None", "anybody") and not may(role, page.see):
            assert visitor.get(address).status == 403, page
            tried["GET", address] += 1
        if page.change not in ("None", "anybody") and not may(role, page.change):
            assert visitor.post(address, action="delete", name="x").status == 403, page
            tried["POST", address] += 1

    assert len(tried) >= {"viewer": 25, "operator": 15, "editor": 10}[role]
    assert denials(ground, role) - told == tried
    assert ground.tables(*AUDIT) == tables


@pytest.mark.parametrize("role", ROLES[:-1])
def test_operations_that_need_more_are_refused_and_each_try_is_written_down(ground: Ground, role: str) -> None:
    caller, told = Caller(ground.dashboard, make_key(ground.dashboard.house, role, role)), denials(ground, role)
    tables, tried = ground.tables(*AUDIT), Counter[tuple[str, str]]()
    bodies = {"/tasks": {"task_name": "x", "task_script": "/bin/true", "schedule_pattern": "@daily"}}
    for each in ground.everything.operations:
        if not may(role, each.needs):
            path = each.address(ground.values)
            answer = caller.ask(each.method, path.removeprefix("/api/v1"), bodies.get(each.path, {}))
            # What cannot be read is refused before anybody asks who may.
            assert answer.status in ((400, 403) if each.has_body else (403,)), (each, answer.status)
            tried[each.method, path] += answer.status == 403

    assert sum(tried.values()) >= {"viewer": 8, "operator": 4, "editor": 2}[role]
    assert denials(ground, role) - told == +tried
    assert ground.tables(*AUDIT) == tables


def test_a_key_of_a_lesser_role_is_no_more_than_that_although_its_user_is(ground: Ground) -> None:
    caller = Caller(ground.dashboard, make_key(ground.dashboard.house, "admin", "viewer"))

    assert caller.ask("GET", "/tasks").status == 200
    caller.fails(403, "POST", f"/tasks/{ground.values['name']}/run")
    caller.fails(403, "GET", "/audit")


def test_a_stream_that_needs_more_is_not_there(ground: Ground) -> None:
    viewer = ground.visitor("viewer")

    for name, needed in ground.everything.streams.items():
        if not may("viewer", needed):
            assert viewer.get(f"/stream/{name}").status in (403, 404), name


@pytest.mark.parametrize("role", ROLES)
def test_whoever_may_is_not_refused_and_nothing_breaks(ground: Ground, role: str) -> None:
    """Each page as each role, of things that are not there: so nothing is changed, and a right is not missing."""
    visitor = ground.visitor(role)
    for page in ground.everything.pages:
        if page.name == "account_logout" or page.is_open:
            continue
        shown = visitor.get(page.address()).status
        assert shown < 500, (page, shown)
        assert (shown == 405) == (page.see == "None"), (page, shown)
        if page.see != "None":
            assert (shown == 403) == (not may(role, page.see)), (page, shown)
        if not visitor.token:
            visitor.get("/")
        done = visitor.post(page.address(), nothing="of ours").status
        assert done < 500, (page, done)
        if page.change == "None":
            assert done == 405, page
        elif page.change != "anybody" and not may(role, page.change):
            assert done == 403, page
    # None of these posts, with a field that no form has, has ended the session.
    assert visitor.get("/").status == 200


def test_methods_that_no_page_has_are_refused(ground: Ground) -> None:
    for page in ground.everything.pages:
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
            assert ground.dashboard.ask(page.address(), method).status in (403, 405), (method, page)
