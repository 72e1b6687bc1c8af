"""The API over HTTP, with keys of each role."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.web.api_callers import Caller, bind, make_key
from tests.web.conftest import Dashboard
from tests.web.furniture import opened
from tests.web.visitors import ROLES, Visitor, add_users

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def callers(dashboard: Dashboard) -> Mapping[str, Caller]:
    add_users(dashboard)
    return {role: Caller(dashboard, make_key(dashboard.house, role, role)) for role in ROLES}


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jobs")
    folder.chmod(0o755)
    made = folder / "job.sh"
    made.write_text("#!/bin/sh\necho hello\n")
    made.chmod(0o755)
    return made


def terms(name: str, script: Path, **others: object) -> dict[str, object]:
    return {"task_name": name, "task_script": str(script), "schedule_pattern": "0 2 * * *", **others}


def test_without_a_key_nothing_is_told(dashboard: Dashboard) -> None:
    for path in ("/status", "/tasks", "/runs/1", "/openapi.json", "/docs", "/nothing"):
        answer = dashboard.ask(f"/api/v1{path}")
        assert answer.status in (401, 404), path
        assert b"hello" not in answer.body


def test_a_wrong_key_is_refused_as_none_is(dashboard: Dashboard) -> None:
    Caller(dashboard, "sc_00000000_" + "x" * 43).fails(401, "GET", "/tasks")


def test_a_task_is_added_shown_changed_run_and_removed(callers: Mapping[str, Caller], script: Path) -> None:
    editor, operator = callers["editor"], callers["operator"]

    added = editor.ask("POST", "/tasks", terms("whole", script, timeout_seconds=90))
    assert added.status == 201, added.body
    assert json.loads(added.body)["timeout_seconds"] == 90
    changed = editor.ask("PATCH", "/tasks/whole", {"priority": 1, "max_memory_mb": 64})
    assert (json.loads(changed.body)["priority"], json.loads(changed.body)["max_memory_mb"]) == (1, 64)
    assert json.loads(operator.ask("POST", "/tasks/whole/disable").body)["changed"] is True
    assert operator.get("/tasks/whole")["enabled"] is False
    assert operator.ask("POST", "/tasks/whole/run", {}).status == 202
    assert operator.get("/runs?task=whole")["items"][0]["triggered_by"] == "manual"
    assert editor.ask("DELETE", "/tasks/whole").status == 200
    editor.fails(404, "GET", "/tasks/whole")


@pytest.mark.parametrize("field", ["uid", "run_as", "is_admin", "id", "next_run_at", "status", "is_running"])
def test_a_field_that_is_none_is_refused_and_nothing_is_stored(
    callers: Mapping[str, Caller], script: Path, field: str
) -> None:
    told = callers["admin"].fails(400, "POST", "/tasks", terms("extra", script, **{field: 1}))

    assert told["errors"][0]["field"] == field
    callers["admin"].fails(404, "GET", "/tasks/extra")


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{", b'{"task_name": ["a"], "schedule_pattern": "* * * * *"}', b'{"priority": 1e999}', b"[" * 50_000,
     b'{"timeout_seconds": NaN}', b'"text"', b"\xff\xfe", b'{"task_name": "a\\u0000", "schedule_pattern": "@daily"}'],
)  # fmt: skip
def test_a_body_that_is_no_task_is_a_bad_request(callers: Mapping[str, Caller], body: bytes) -> None:
    callers["admin"].fails(400, "POST", "/tasks", body)


def test_what_is_not_json_is_refused(callers: Mapping[str, Caller]) -> None:
    told = callers["operator"].fails(
        415, "POST", "/tasks/any/run", b"a=b", Content_Type="application/x-www-form-urlencoded"
    )

    assert "application/json" in told["detail"]


def test_a_misspelt_filter_is_told(callers: Mapping[str, Caller]) -> None:
    assert "'statsu'" in callers["viewer"].fails(400, "GET", "/runs?statsu=failed")["detail"]


def test_roles_bound_what_a_key_may_do(callers: Mapping[str, Caller], script: Path) -> None:
    callers["admin"].ask("POST", "/tasks", terms("bound", script))

    for role, method, path, body in (
        ("viewer", "POST", "/tasks/bound/run", {}),
        ("viewer", "POST", "/tasks/bound/disable", None),
        ("operator", "POST", "/tasks", terms("other", script)),
        ("operator", "DELETE", "/tasks/bound", None),
        ("editor", "PATCH", "/tasks/bound", {"shell_command": "id"}),
        ("editor", "PATCH", "/tasks/bound", {"run_as_user": "root"}),
        ("editor", "PATCH", "/tasks/bound", {"environment": {"A": "b"}}),
        ("operator", "POST", "/tasks/bound/run", {"arguments": ["-c", "id"]}),
    ):
        callers[role].fails(403, method, path, body)
    assert callers["viewer"].get("/tasks/bound")["shell_command"] is None


def test_every_fault_of_a_task_comes_at_once(callers: Mapping[str, Caller]) -> None:
    told = callers["editor"].fails(
        400, "POST", "/tasks", {"task_name": "bad name", "task_script": "relative", "schedule_pattern": "0 0 30 2 *"}
    )

    assert len(told["errors"]) >= 3


def test_the_same_idempotency_key_runs_a_task_once(callers: Mapping[str, Caller], script: Path) -> None:
    operator = callers["operator"]
    callers["admin"].ask("POST", "/tasks", terms("once", script, on_overlap="allow"))

    first = json.loads(operator.ask("POST", "/tasks/once/run", {}, Idempotency_Key="k").body)
    again = json.loads(operator.ask("POST", "/tasks/once/run", {}, Idempotency_Key="k").body)

    assert (first["is_new"], again["is_new"], again["id"]) == (True, False, first["id"])
    assert len(operator.get("/runs?task=once")["items"]) == 1
    editor = callers["editor"]
    editor.ask("POST", "/tasks/once/run", {}, Idempotency_Key="k")
    editor.fails(422, "POST", "/tasks/once/run", {"arguments": ["x"]}, Idempotency_Key="k")


def test_pages_of_runs_lead_on_without_gap_or_repeat(callers: Mapping[str, Caller], script: Path) -> None:
    operator = callers["operator"]
    callers["admin"].ask("POST", "/tasks", terms("many", script, on_overlap="allow"))
    for _ in range(5):
        operator.ask("POST", "/tasks/many/run", {})

    seen, cursor = [], ""
    while cursor is not None:
        page = operator.get(f"/runs?task=many&limit=2{cursor}")
        seen += [row["id"] for row in page["items"]]
        cursor = f"&cursor={page['next']}" if page["next"] else None
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 5


def test_a_session_needs_its_token_for_a_change(
    dashboard: Dashboard, callers: Mapping[str, Caller], script: Path
) -> None:
    callers["admin"].ask("POST", "/tasks", terms("session", script))
    visitor = Visitor(dashboard)
    visitor.log_in("operator")

    assert visitor.get("/api/v1/tasks").status == 200
    without = dashboard.ask("/api/v1/tasks/session/disable", "POST", headers=visitor._headers())
    assert without.status == 403
    assert visitor.get("/api/v1/tasks/session").body.count(b'"enabled": true') == 1
    with_token = dashboard.ask(
        "/api/v1/tasks/session/disable", "POST", headers={**visitor._headers(), "X-CSRFToken": visitor.token}
    )
    assert with_token.status == 200


def test_the_description_is_openapi_3_1_and_asks_nothing_of_the_internet(callers: Mapping[str, Caller]) -> None:
    viewer = callers["viewer"]

    assert viewer.get("/openapi.json")["openapi"].startswith("3.1")
    docs = viewer.ask("GET", "/docs")
    assert docs.status == 200
    assert b"https://" not in docs.body


def test_why_the_ledger_and_revisions_tell_of_a_task(callers: Mapping[str, Caller], script: Path) -> None:
    editor = callers["editor"]
    editor.ask("POST", "/tasks", terms("told", script))
    editor.ask("PATCH", "/tasks/told", {"priority": 2})
    editor.ask("POST", "/tasks/told/run", {})

    assert editor.get("/tasks/told/next?count=2")[0]["slot"].endswith("02:00:00Z")
    assert editor.get("/tasks/told/why")[0]
    kept = editor.ask("GET", "/ledger?task=told").body.splitlines()
    assert [json.loads(line)["triggered_by"] for line in kept] == ["manual"]
    revisions = editor.get("/tasks/told/revisions")["items"]
    assert [each["revision"] for each in revisions] == [2, 1]
    restored = editor.ask("POST", "/tasks/told/revisions/1/restore")
    assert json.loads(restored.body)["priority"] == 5


def test_the_audit_log_says_who_did_it_by_the_api_and_from_where(callers: Mapping[str, Caller], script: Path) -> None:
    callers["editor"].ask("POST", "/tasks", terms("watched", script))

    row = callers["admin"].get("/audit?task=watched")["items"][0]
    assert (row["actor"], row["source"], row["ip_address"], row["action"]) == ("editor", "api", "127.0.0.1", "create")
    callers["editor"].fails(403, "GET", "/audit")


def test_tasks_of_other_groups_are_not_there(dashboard: Dashboard, callers: Mapping[str, Caller], script: Path) -> None:
    admin = callers["admin"]
    admin.ask("POST", "/tasks", terms("theirs", script, task_group="theirs"))
    admin.ask("POST", "/tasks", terms("ours", script, task_group="ours"))
    run = json.loads(admin.ask("POST", "/tasks/theirs/run", {}).body)["id"]
    add_users(dashboard, ["bound"], role="editor")
    bind(dashboard.house, "bound", "ours")
    bound = Caller(dashboard, make_key(dashboard.house, "bound", "editor"))

    assert [task["task_name"] for task in bound.get("/tasks")] == ["ours"]
    for method, path, body in (
        ("GET", "/tasks/theirs", None),
        ("POST", "/tasks/theirs/run", {}),
        ("PATCH", "/tasks/theirs", {"priority": 1}),
        ("DELETE", "/tasks/theirs", None),
        ("GET", "/tasks/theirs/why", None),
        ("GET", f"/runs/{run}", None),
        ("POST", f"/runs/{run}/kill", None),
    ):
        told = bound.fails(404, method, path, body)
        assert told["title"] == "Not found"
    assert bound.get("/runs")["items"] == []
    bound.fails(403, "PATCH", "/tasks/ours", {"task_group": "theirs"})


def test_everything_is_held_back_and_goes_on(callers: Mapping[str, Caller]) -> None:
    admin = callers["admin"]

    admin.ask("POST", "/stop", {"reason": "a flood in the cellar"})
    held = admin.get("/status")["holds"]
    admin.ask("POST", "/resume")

    assert [(hold["kind"], hold["reason"], hold["actor"]) for hold in held] == [
        ("stopped", "a flood in the cellar", "admin")
    ]
    assert admin.get("/status")["holds"] == []


def test_the_log_and_the_backups_are_listed(callers: Mapping[str, Caller]) -> None:
    assert callers["viewer"].get("/logs?lines=1&text=dashboard")[0]["message"] == "Dashboard started"
    assert callers["admin"].get("/backups")[0]["status"] == "verified"


def test_an_editor_cannot_bring_an_admins_environment_back(callers: Mapping[str, Caller], script: Path) -> None:
    callers["admin"].ask("POST", "/tasks", terms("brought", script, environment={"A": "b"}))
    callers["admin"].ask("PATCH", "/tasks/brought", {"environment": {}})

    told = callers["editor"].fails(403, "POST", "/tasks/brought/revisions/1/restore")

    assert "environment" in told["detail"]
    assert callers["editor"].get("/tasks/brought")["environment"] == {}


@pytest.mark.parametrize(
    "odd",
    ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "9998-12-31T23:59:59-23:59", "1969-12-31T23:59:59Z"],
)
def test_an_instant_that_nobody_can_tell_is_a_bad_request(
    dashboard: Dashboard, callers: Mapping[str, Caller], script: Path, odd: str
) -> None:
    admin, written = callers["admin"], odd.replace("+", "%2B")
    admin.ask("POST", "/tasks", terms("bounded", script))

    for path in ("/tasks/bounded/why?at=", "/tasks/bounded/why?since=", "/ledger?since=", "/ledger?until="):
        assert "years from 1970 to 9998" in admin.fails(400, "GET", f"{path}{written}")["detail"], path
    for path in ("/audit?since=", "/audit?until="):
        admin.fails(400, "GET", f"{path}{written}")
    admin.fails(400, "POST", "/alerts/1/snooze", {"until": odd})
    admin.fails(400, "POST", "/tasks/bounded/held/run", {"slots": [odd]})
    assert b"Request failed" not in dashboard.house.log()


def test_an_instant_in_any_zone_is_that_instant(callers: Mapping[str, Caller], script: Path) -> None:
    viewer = callers["viewer"]
    callers["editor"].ask("POST", "/tasks", terms("zoned", script))

    utc, ahead = (
        viewer.get(f"/tasks/zoned/why?at={at}") for at in ("2026-11-28T02:00:00Z", "2026-11-28T03:00:00%2B01:00")
    )
    assert utc[0]["scheduled_for"] == ahead[0]["scheduled_for"] == "2026-11-28T02:00:00.000000Z"


def test_slots_are_told_of_fifty_years_to_come_and_no_more(callers: Mapping[str, Caller], script: Path) -> None:
    viewer, now = callers["viewer"], datetime.now(UTC)
    callers["editor"].ask("POST", "/tasks", terms("leap", script, schedule_pattern="0 0 29 2 *"))
    near, far = (f"{now.year + years}-01-01T00:00:00Z" for years in (49, 52))

    for slots in (
        [slot["slot"] for slot in viewer.get("/tasks/leap/next?count=1000")],
        viewer.get("/explain?expression=0+0+29+2+*&count=100")["slots"],
    ):
        assert 11 <= len(slots) <= 14
        assert slots[-1] < far
    assert viewer.get(f"/tasks/leap/why?since=1970-01-01T00:00:00Z&until={near}")
    for until in (far, "9998-12-31T23:59:59Z"):
        refused = viewer.fails(400, "GET", f"/tasks/leap/why?since=1970-01-01T00:00:00Z&until={until}")
        assert "50 years to come" in refused["detail"]
    callers["editor"].ask("POST", "/tasks", terms("dense", script, schedule_pattern="* * * * *"))
    assert len(viewer.get("/tasks/dense/next?count=1000")) == 1000


def test_a_slot_set_by_hand_for_long_after_is_told_and_nothing_after_it(
    dashboard: Dashboard, callers: Mapping[str, Caller], script: Path
) -> None:
    callers["editor"].ask("POST", "/tasks", terms("late", script))
    with opened(dashboard) as store:
        store.tasks.set_next_run(store.tasks.get("late").id, datetime(9998, 12, 31, tzinfo=UTC), actor="test")

    assert callers["viewer"].get("/tasks/late/next?count=3") == [{"slot": "9998-12-31T00:00:00Z"}]


def test_the_log_is_looked_through_as_far_as_takes_a_second(
    dashboard: Dashboard, callers: Mapping[str, Caller]
) -> None:
    folder = dashboard.house.home / "log"
    grave, plain = (
        json.dumps({"utc": "2020-01-01T00:00:00+00:00", "level": level, "message": "long ago", "context": {}})
        for level in ("CRITICAL", "INFO")
    )
    # The later day is as long as what is looked through, but for a line.
    (folder / "cleanup-2020-01-01.log").write_text(f"{grave}\n{grave}\n")
    (folder / "cleanup-2020-01-02.log").write_text(f"{plain}\n" * 49_999)

    found = callers["viewer"].get("/logs?kind=cleanup&level=CRITICAL&text=ago")

    assert [line["message"] for line in found] == ["long ago"]


def test_an_address_that_the_settings_refuse_is_refused_with_the_task(
    callers: Mapping[str, Caller], script: Path
) -> None:
    editor = callers["editor"]
    editor.ask("POST", "/tasks", terms("called", script))

    for field in ("ping_url", "alert_slack_webhook"):
        for url, words in (
            ("https://hooks.slack.com.evil.example/hunter2", "not allowed by webhook_allowed_hosts"),
            ("https://169.254.169.254/hunter2", "the host 169.254.169.254 is not allowed"),
            ("https://hooks.slack.com:443@evil.example/hunter2", "a login in it is refused"),
        ):
            for method, path in (("POST", "/tasks"), ("PATCH", "/tasks/called")):
                body = {field: url} if method == "PATCH" else terms("other", script, **{field: url})
                refused = editor.fails(400, method, path, body)["detail"]
                assert (f"{field}: " in refused, words in refused, "hunter2" in refused) == (True, True, False), refused
    assert editor.ask("PATCH", "/tasks/called", {"ping_url": "https://hooks.slack.com/x"}).status == 200
