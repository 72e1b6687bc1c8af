"""SECURITY 31: who did what, when, from where, and what it was before: each login, denial, change, run and end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.security.ground import Ground, furnished_ground
from tests.security.peers import asking, visitor_from
from tests.web.api_callers import Caller, make_key
from tests.web.task_forms import form_of
from tests.web.visitors import PASSWORD, Visitor

pytestmark = pytest.mark.slow
HERE = "127.0.0.31"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with furnished_ground(tmp_path_factory.mktemp("home")) as ground:
        yield ground


@pytest.fixture(scope="module")
def admin(own: Ground) -> Visitor:
    visitor = visitor_from(own.dashboard, HERE)
    assert visitor.log_in("admin").status == 302
    return visitor


def newest(ground: Ground, action: str, *, by: str = "admin", source: str = "page") -> dict[str, object]:
    """Return the newest row of an action, once it says who, from where and when."""
    row = ground.audited(action)[0]
    assert (row["actor"], row["source"], row["ip_address"]) == (by, source, HERE if source == "page" else "127.0.0.1")
    at = datetime.fromisoformat(str(row["created_at"]))
    assert at.utcoffset() == timedelta()
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)
    return row


def test_logins_failures_and_logouts(own: Ground) -> None:
    visitor = asking(own.dashboard, HERE)
    visitor.post("/login", login="viewer", password="wrong")
    newest(own, "log in failed", by="viewer")
    visitor.post("/login", login="nobody-of-ours", password="wrong")
    assert newest(own, "log in failed", by="nobody-of-ours")["entity_id"] == 0
    visitor.log_in("viewer")
    newest(own, "log in", by="viewer")
    visitor.get("/settings/users")
    assert newest(own, "deny", by="viewer")["new_values"] == {
        "method": "GET", "path": "/settings/users", "role": "viewer",
    }  # fmt: skip
    visitor.post("/logout")
    newest(own, "log out", by="viewer")
    assert PASSWORD not in str(own.audited("log in"))


def test_a_denial_of_the_api_as_well(own: Ground) -> None:
    caller = Caller(own.dashboard, make_key(own.dashboard.house, "viewer", "viewer"))
    caller.fails(403, "POST", "/tasks/printer/run")

    row = newest(own, "deny", by="viewer", source="api")
    assert row["new_values"] == {"method": "POST", "path": "/api/v1/tasks/printer/run", "role": "viewer"}


def test_changes_of_a_task_with_before_and_after(own: Ground, admin: Visitor) -> None:
    fields = {**form_of(admin, "/tasks/printer/edit"), "priority": "2"}
    assert admin.post("/tasks/printer/edit", **fields).status == 302
    row = newest(own, "update")
    assert (row["entity_name"], row["old_values"], row["new_values"]) == ("printer", {"priority": 5}, {"priority": 2})

    admin.post("/tasks/printer/switch", to="off")
    assert newest(own, "disable")["entity_name"] == "printer"
    admin.post("/tasks/printer/switch", to="on")
    assert newest(own, "enable")["entity_name"] == "printer"


def test_runs_by_hand_and_their_ends(own: Ground, admin: Visitor) -> None:
    admin.get("/tasks/printer")
    assert admin.post("/tasks/printer/run", once="a click").status == 302
    assert newest(own, "run")["entity_name"] == "printer"

    (number,) = own.rows("SELECT MAX(id) FROM smart_cron_executions")[0]
    assert admin.post(f"/runs/{number}/kill").status == 302
    newest(own, "cancel")


def test_alerts_users_keys_and_backups(own: Ground, admin: Visitor) -> None:
    admin.post("/alerts/change", action="acknowledge", alert=own.values["number"], note="seen")
    newest(own, "acknowledge")
    admin.get("/account/fresh")
    admin.post("/account/fresh", password=PASSWORD)
    user = f"/settings/users/{own.values['pk']}"
    admin.get(user)
    admin.post(user, action="role", role="operator")
    row = newest(own, "set role")
    assert (row["old_values"], row["new_values"]) == ({"role": "viewer"}, {"role": "operator"})
    admin.post(user, action="role", role="viewer")
    admin.post(f"/backups/{own.values['backup_id']}/download")
    newest(own, "download")


def test_every_row_is_sealed_and_the_log_is_whole(own: Ground) -> None:
    assert b"as it was written" in own.dashboard.house.sure("audit", "verify")
