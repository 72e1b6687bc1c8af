"""SECURITY 32: no page, operation or command takes a row of the audit log away, and what is done by SQL shows.

That an account of the database which may only add rows is all that is needed stands in tests/conformance/test_audit.py,
over MariaDB and PostgreSQL, with every kind of gap.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable

import pytest
from tests.emptying import unguarded
from tests.security.ground import Ground
from tests.web.api_callers import Caller, make_key
from tests.web.conftest import House, make_house
from tests.web.furniture import opened

from smart_cron.core.errors import DatabaseError

__all__ = ["make_house"]
pytestmark = pytest.mark.slow


def test_nothing_changes_or_deletes_a_row_over_http(ground: Ground) -> None:
    admin = ground.visitor("admin")
    caller = Caller(ground.dashboard, make_key(ground.dashboard.house, "admin", "admin"))
    before = ground.tables()["smart_cron_audit_log"]

    for path in ("/audit", "/audit/1", "/audit/verify", "/api/v1/audit", "/api/v1/audit/1"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            status = ground.dashboard.ask(path, method, headers=admin._headers()).status
            assert status in (403, 404, 405), (method, path)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for path in ("/audit", "/audit/1"):
            assert caller.ask(method, path, {}).status in (404, 405)

    assert ground.tables()["smart_cron_audit_log"][: len(before)] == before


def test_no_command_does(ground: Ground) -> None:
    said = ground.dashboard.house.sure("audit", "--help").decode()

    assert [word for word in ("delete", "remove", "edit", "purge", "clear", "prune") if word in said] == []


@pytest.mark.parametrize("sql", ["UPDATE smart_cron_audit_log SET actor = 'bob'", "DELETE FROM smart_cron_audit_log"])
def test_the_tables_themselves_refuse_it(make_house: Callable[..., House], sql: str) -> None:
    house = make_house()
    house.add("one", "true")
    path = house.home / "state" / "smart-cron.db"

    with contextlib.closing(sqlite3.connect(path)) as rows, pytest.raises(sqlite3.Error):
        rows.execute(sql)

    assert b"as it was written" in house.sure("audit", "verify")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE smart_cron_audit_log SET actor = 'bob' WHERE id = 1", "changed"),
        ("DELETE FROM smart_cron_audit_log WHERE id = 2", "missing"),
    ],
)
def test_whoever_gets_around_that_is_seen(
    ground: Ground, make_house: Callable[..., House], sql: str, said: str
) -> None:
    house = make_house()
    for name in ("one", "two", "three"):
        house.add(name, "true")
    serving = type(ground.dashboard)(house, ground.dashboard.process, 1)
    with opened(serving) as store, unguarded(store.session), contextlib.suppress(DatabaseError):
        store.session.execute(sql)

    done = house.call("audit", "verify")

    assert done.returncode == 1
    assert said.encode() in done.stdout + done.stderr
