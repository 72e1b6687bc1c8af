"""SECURITY 17: GET, HEAD and OPTIONS change nothing, wherever they are sent and whoever sends them.

Nothing is every row of every table, but for what `ground.NOT_CHANGES` and `ground.LAST_HEARD` name with their reasons.
A ping's own address is left out: `GET /ping/KEY` is how a job reports, by the specification of such services.
"""

from __future__ import annotations

import re
import socket
from contextlib import closing

import pytest
from tests.security.ground import NOT_CHANGES, Ground
from tests.web.api_callers import Caller, make_key
from tests.web.factors import set_up
from tests.web.visitors import PASSWORD, ROLES, Visitor

pytestmark = pytest.mark.slow
METHODS = ("GET", "HEAD", "OPTIONS")
QUERIES = ("", "?q=printer", "?kind=master&text=x", "?stream=stdout", "?words=canary", "?action=delete&enabled=0")


def listen(visitor: Visitor, path: str, *, until: bytes = b"event:") -> int:
    """Open a stream, wait for what it says first, and leave; return the status."""
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    with closing(socket.create_connection(("127.0.0.1", visitor.dashboard.port), timeout=60)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\n\r\n".encode())
        file = connection.makefile("rb")
        status = int(file.readline().split()[1])
        while status == 200 and not (line := file.readline()).startswith(until):
            assert line, f"{path} ended"
        return status


def with_a_second_factor(ground: Ground) -> Visitor:
    """An admin whose recovery codes nobody has looked at: what is shown once must not be shown away by a link."""
    ground.dashboard.house.sure_with(f"{PASSWORD}\n", "user", "add", "factored", "--role", "admin")
    visitor = ground.visitor("factored")
    set_up(visitor)
    return visitor


@pytest.mark.parametrize("who", [*ROLES, "factored"])
def test_reading_every_address_changes_nothing(ground: Ground, who: str) -> None:
    visitor = with_a_second_factor(ground) if who == "factored" else ground.visitor(who)
    # Denials are written down, and are no change: whoever may not is sent to nothing here but what they may.
    besides = () if visitor.get("/settings/users").status == 200 else ("smart_cron_audit_log", "smart_cron_audit_head")
    before = ground.tables(*besides)

    for path in ground.everything.addresses(ground.values):
        for method in METHODS:
            if not path.startswith("/stream/"):
                visitor.dashboard.ask(path, method, headers=visitor._headers())
    for path in ("/", "/tasks", "/runs", "/logs", "/runs/1", "/runs/1/search", "/tasks/printer", "/tasks/bulk"):
        for query in QUERIES:
            visitor.get(path + query)

    assert ground.tables(*besides) == before
    assert visitor.get("/").status == 200


def test_listening_to_every_stream_changes_nothing(ground: Ground) -> None:
    admin = ground.visitor("admin")
    before, queries = (
        ground.tables(),
        {"run": "?id=1", "task": "?task=printer", "alert": f"?number={ground.values['number']}"},
    )

    statuses = {name: listen(admin, f"/stream/{name}{queries.get(name, '')}") for name in ground.everything.streams}
    statuses |= {name: listen(admin, f"/stream/{name}", until=b"retry:") for name in ("output/1", "log")}

    assert set(statuses.values()) == {200}, statuses
    assert ground.tables() == before


def test_reading_by_the_api_changes_nothing(ground: Ground) -> None:
    caller = Caller(ground.dashboard, make_key(ground.dashboard.house, "admin", "admin"))
    before = ground.tables()

    for each in ground.everything.operations:
        for method in METHODS:
            caller.ask(method, each.address(ground.values).removeprefix("/api/v1"))

    assert ground.tables() == before


def test_what_does_not_count_as_a_change_is_named_and_no_more(ground: Ground) -> None:
    names = {row[0] for row in ground.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}

    assert set(NOT_CHANGES) <= names
    assert set(ground.tables()) == names - set(NOT_CHANGES)
    assert not any(re.search(r"task|execution|alert|audit|user|backup|hold", name) for name in NOT_CHANGES)


def test_codes_that_are_shown_once_are_shown_by_a_button_and_by_no_link(ground: Ground) -> None:
    ground.dashboard.house.sure_with(f"{PASSWORD}\n", "user", "add", "once", "--role", "viewer")
    visitor = ground.visitor("once")
    set_up(visitor)

    for _ in range(2):
        assert not re.findall(rb"\b\d{8}\b", visitor.get("/account/codes").body)
    shown = re.findall(rb"\b\d{8}\b", visitor.post("/account/codes").body)
    visitor.get("/account/codes")

    assert len(shown) == 10
    assert not re.findall(rb"\b\d{8}\b", visitor.post("/account/codes").body)
    assert b"10 codes are left" in visitor.get("/account/codes").body
