"""SECURITY 3: what belongs to another group is not there, by whatever id, page, download or operation one asks."""

from __future__ import annotations

import re

import pytest
from tests.security.ground import CANARY, Ground
from tests.web.api_callers import Caller, make_key
from tests.web.conftest import Answer
from tests.web.furniture import opened

pytestmark = pytest.mark.slow
# Parts of addresses that name an object which is in a group.
OF_GROUPS = ("<str:run>", "<str:key>", "<int:number>", "{run}", "{name}", "{number}", "{int:number}")


def worded(answer: Answer) -> bytes:
    """Its text without the token of its forms, which is another one each time."""
    return re.sub(rb'(csrfmiddlewaretoken" value="|X-CSRFToken": ?")[A-Za-z0-9]+', rb"\1", unescaped(answer.body))


def unescaped(body: bytes) -> bytes:
    return body.replace(b"&quot;", b'"')


# What has a name and is of no group: an admin's alone.
OF_NONE = ("/users/", "/nodes/", "/channels/")


def is_of_a_group(path: str) -> bool:
    return any(part in path for part in OF_GROUPS) and not path.startswith(OF_NONE)


def test_pages_and_changes_of_foreign_things_are_not_found(ground: Ground) -> None:
    clerk, before = ground.visitor("clerk"), ground.tables()
    pages = [page for page in ground.everything.pages if is_of_a_group(page.path)]
    assert len(pages) >= 15

    for page in pages:
        address = page.address(ground.values)
        if page.see != "None":
            answer = clerk.get(address)
            assert (answer.status, CANARY.encode() in answer.body) == (404, False), page
            assert worded(answer) == worded(clerk.get(page.address())), "what is not there has the same words"
        if page.change != "None":
            assert clerk.post(address, name="printer", wish="run", enabled="0").status == 404, page

    assert ground.tables() == before


def test_lists_and_searches_hold_none_of_them(ground: Ground) -> None:
    clerk = ground.visitor("clerk")

    for path in (
        "/",
        "/tasks",
        "/runs",
        "/alerts",
        "/search?q=printer",
        "/search?q=1",
        "/tv",
        "/audit",
        "/logs",
        "/health",
    ):
        body = clerk.get(path).body
        assert CANARY.encode() not in body, path
        assert b"/tasks/printer" not in body, path
        assert b"/tasks/invoices" not in body, path


def test_changes_of_many_at_once_leave_them_alone(ground: Ground) -> None:
    clerk, before = ground.visitor("clerk"), ground.tables()

    assert clerk.post("/alerts/change", action="resolve", alert=ground.values["number"]).status == 404
    with opened(ground.dashboard) as store:
        number = store.tasks.get("printer").id
    for task in (str(number), "printer"):
        assert clerk.post("/tasks/bulk", action="disable", task=task).status in (400, 404)

    assert ground.tables() == before


def test_operations_on_foreign_things_are_not_found(ground: Ground) -> None:
    caller = Caller(ground.dashboard, make_key(ground.dashboard.house, "clerk", "admin"))
    before = ground.tables()
    operations = [each for each in ground.everything.operations if is_of_a_group(each.path)]
    assert len(operations) >= 12

    wrong = []
    for each in operations:
        path = each.address(ground.values).removeprefix("/api/v1")
        answer = caller.ask(each.method, path, body_of(each.path))
        if answer.status != 404 or CANARY.encode() in answer.body:
            wrong.append((each, answer.status, answer.body))

    assert wrong == []
    assert ground.tables() == before
    for path in ("/tasks", "/runs", "/alerts", "/ledger"):
        assert CANARY.encode() not in caller.ask("GET", path).body
        assert b"printer" not in caller.ask("GET", path).body, path


def body_of(path: str) -> object:
    if path.endswith("/snooze"):
        return {"until": "2099-01-01T00:00:00Z"}
    return (
        {"slots": ["2026-01-01T00:00:00Z"]}
        if "/held/" in path
        else {"priority": 1}
        if path == "/tasks/{name}"
        else None
    )


def test_streams_of_foreign_things_are_not_there(ground: Ground) -> None:
    clerk = ground.visitor("clerk")

    for path in ("/stream/output/1", "/stream/run?id=1", "/stream/task?task=printer", "/stream/log"):
        assert clerk.get(path).status in (403, 404), path
