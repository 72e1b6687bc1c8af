"""SECURITY 11: the peer is the client, whatever its headers say, unless it is a proxy that the settings trust."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.security.peers import asking
from tests.web.api_callers import Caller
from tests.web.conftest import Dashboard, House, make_house, served
from tests.web.visitors import PASSWORD, add_users

__all__ = ["make_house"]
pytestmark = pytest.mark.slow
FEW = {"WEB__LOGINS_PER_MINUTE_AND_ADDRESS": "3", "WEB__API_CALLS_PER_MINUTE_AND_ADDRESS": "3"}


def claims(number: int) -> dict[str, str]:
    address = f"198.51.100.{number}"
    return {
        "X-Forwarded-For": f"{address}, {address}", "X-Real-IP": address, "Forwarded": f"for={address};proto=https",
        "X-Client-IP": address, "CF-Connecting-IP": address, "True-Client-IP": address, "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
    }  # fmt: skip


def statuses(dashboard: Dashboard) -> tuple[list[int], list[int]]:
    """Return those of 20 tries to log in and of 20 calls with a key of nobody, each from somewhere else, it says."""
    visitor, caller = asking(dashboard), Caller(dashboard, "sc_00000000_" + "x" * 43)
    # Where TLS is before a dashboard, a form says where it stood.
    stood = {"Referer": f"https://127.0.0.1:{dashboard.port}/login"}
    logins = [
        visitor.post("/login", {**claims(number), **stood}, login=f"n{number}", password="wrong").status
        for number in range(20)
    ]
    return logins, [caller.ask("GET", "/tasks", **claims(number)).status for number in range(20)]


def test_a_forged_address_gets_around_no_limit(make_house: Callable[..., House]) -> None:
    for options in ((), ("--behind-proxy",)):
        settings = {} if not options else {"WEB__TRUSTED_PROXIES": '["192.0.2.7"]'}
        logins, calls = statuses(served(make_house(**FEW, **settings), *options))

        # A minute may end amid them, once.
        assert logins.count(429) >= 14, options
        assert calls.count(429) >= 14, options


def test_behind_a_trusted_proxy_each_client_has_limits_of_its_own(make_house: Callable[..., House]) -> None:
    """So that the refusals above are none of something else."""
    logins, calls = statuses(served(make_house(**FEW), "--behind-proxy"))

    assert set(logins) == {200}
    assert set(calls) == {401}


def test_the_audit_log_and_the_list_of_sessions_name_the_peer(make_house: Callable[..., House]) -> None:
    serving = served(make_house())
    add_users(serving, ["viewer"])
    visitor = asking(serving, "127.0.0.5")
    visitor.post("/login", claims(9), login="viewer", password="wrong")
    assert visitor.post("/login", claims(9), login="viewer", password=PASSWORD).status == 302
    visitor.get("/settings/users", claims(9))

    rows = json.loads(serving.house.sure("audit", "list", "--json"))
    found = {row["action"]: row["ip_address"] for row in rows if row["entity_name"] == "viewer"}
    assert found["log in failed"] == found["log in"] == found["deny"] == "127.0.0.5"
    page = visitor.get("/account/sessions").body
    assert b"127.0.0.5" in page
    assert b"198.51.100" not in page + json.dumps(rows).encode() + serving.house.log()


def test_no_forged_name_of_the_host_is_in_an_answer(make_house: Callable[..., House]) -> None:
    serving = served(make_house())
    add_users(serving, ["viewer"])
    visitor = asking(serving)

    answer = visitor.post("/login", claims(9), login="viewer", password=PASSWORD)

    assert answer.headers["location"] == "/"
    assert not [line for line in answer.cookie_lines if "Secure" in line.split("; ")[1:]], "plain loopback stays plain"
    assert b"evil.example" not in visitor.get("/", claims(9)).body
