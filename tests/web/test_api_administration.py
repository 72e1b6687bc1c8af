"""Users, backups, settings, channels and nodes over the API: what admins do by pages and commands."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from jsonschema_rs import validator_for
from tests import warm
from tests.process.cli import wait_until
from tests.web.api_callers import Caller, bind, make_key
from tests.web.conftest import Dashboard, housed, served
from tests.web.visitors import PASSWORD, ROLES, Visitor, add_users

pytestmark = pytest.mark.slow
CANARY = "canary-5e2f81"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    secrets = {"SMTP__PASSWORD": CANARY, "ALERT_EMAIL": "ops@example.org", "SMTP__PORT": "1", "SMTP__HOST": "127.0.0.1"}
    with housed(tmp_path_factory.mktemp("home"), **secrets) as house:
        file = house.home / "smart-cron.toml"
        file.write_text(file.read_text().replace("\n[web]\n", "\n[web]\nsession_days = 7\n", 1))
        dashboard = served(house)
        add_users(dashboard)
        yield dashboard


@pytest.fixture(scope="module")
def callers(office: Dashboard) -> Mapping[str, Caller]:
    return {role: Caller(office, make_key(office.house, role, role)) for role in ROLES}


@pytest.fixture
def admin(callers: Mapping[str, Caller]) -> Caller:
    return callers["admin"]


def told(admin: Caller, action: str) -> dict[str, Any]:
    found: dict[str, Any] = admin.get(f"/audit?action={action}&limit=1".replace(" ", "%20"))["items"][0]
    return found


def test_a_user_is_added_changed_disabled_and_told_of_in_the_audit_log(office: Dashboard, admin: Caller) -> None:
    made = admin.ask("POST", "/users", {"name": "ada", "password": PASSWORD, "role": "editor", "groups": ["eu", ""]})
    assert made.status == 201, made.body
    assert (json.loads(made.body)["role"], json.loads(made.body)["groups"]) == ("editor", ["", "eu"])
    assert told(admin, "create")["entity_name"] == "ada"
    visitor = Visitor(office)
    visitor.log_in("ada")
    assert admin.get("/users/ada")["sessions"] == 1

    changed = admin.ask("PATCH", "/users/ada", {"role": "operator", "groups": None, "needs_second_factor": True})
    after = json.loads(changed.body)
    assert (after["role"], after["groups"], after["needs_second_factor"]) == ("operator", None, True)
    assert told(admin, "set role")["source"] == "api"
    assert json.loads(admin.ask("POST", "/users/ada/end-sessions").body)["changed"] is True
    assert admin.get("/users/ada")["sessions"] == 0
    assert json.loads(admin.ask("PATCH", "/users/ada", {"is_active": False}).body)["is_active"] is False
    assert json.loads(admin.ask("POST", "/users/ada/reset-mfa").body)["changed"] is False
    assert "ada" in [row["name"] for row in admin.get("/users")]


@pytest.mark.parametrize(
    ("status", "method", "path", "body"),
    [
        (404, "GET", "/users/nobody", None),
        (404, "PATCH", "/users/nobody", {"role": "viewer"}),
        (404, "POST", "/users/nobody/reset-mfa", None),
        (400, "POST", "/users", {"name": "admin", "password": PASSWORD}),
        (400, "POST", "/users", {"name": "a b", "password": PASSWORD}),
        (400, "POST", "/users", {"name": "short", "password": "short"}),
        (400, "POST", "/users", {"name": "x", "password": PASSWORD, "is_superuser": True}),
        (400, "PATCH", "/users/admin", {"role": "viewer"}),
        (400, "PATCH", "/users/admin", {"is_active": False}),
        (400, "PATCH", "/users/viewer", {"role": "root"}),
        (400, "PATCH", "/users/viewer", {"password": PASSWORD}),
    ],
)
def test_what_cannot_be_done_to_a_user_is_told_and_changes_nothing(
    admin: Caller, status: int, method: str, path: str, body: object
) -> None:
    before = admin.get("/users")

    admin.fails(status, method, path, body)

    assert admin.get("/users") == before


def test_of_several_changes_all_are_made_or_none(admin: Caller) -> None:
    admin.fails(400, "PATCH", "/users/viewer", {"role": "editor", "groups": ["x" * 200]})

    assert admin.get("/users/viewer")["role"] == "viewer"


STALE = """
import sys
from smart_cron.config import load_config
from smart_cron.faces.web.settings import open_web_store
open_web_store(load_config())
from django.contrib.sessions.backends.db import SessionStore
from allauth.usersessions.models import UserSession
for row in UserSession.objects.filter(user__username="admin"):
    session = SessionStore(row.session_key)
    for record in session.get("account_authentication_methods", []):
        record["at"] -= 3600
    session.modified = True
    session.save()
"""


def test_a_session_changes_users_only_shortly_after_a_login(office: Dashboard) -> None:
    visitor = Visitor(office)
    visitor.log_in("admin")
    headers = {**visitor._headers(), "X-CSRFToken": visitor.token, "Content-Type": "application/json"}

    def change() -> int:
        body = json.dumps({"needs_second_factor": False}).encode()
        return office.ask("/api/v1/users/viewer", "PATCH", body=body, headers=headers).status

    assert change() == 200
    done = warm.run([sys.executable, "-c", STALE], env=office.house.environment)
    assert done.returncode == 0, done.stderr
    assert change() == 403
    assert visitor.get("/api/v1/users").status == 200


def test_a_denied_operation_is_in_the_audit_log(callers: Mapping[str, Caller], admin: Caller) -> None:
    callers["editor"].fails(403, "GET", "/users")

    row = told(admin, "deny")
    assert (row["actor"], row["source"], json.loads(row["new_values"])["path"]) == ("editor", "api", "/api/v1/users")


def test_a_backup_is_taken_and_proven_and_how_it_went_is_told(admin: Caller) -> None:
    asked = admin.ask("POST", "/backups", {"kind": "config", "label": "by the api"})
    assert (asked.status, json.loads(asked.body)["changed"]) == (202, True)
    busy = admin.ask("POST", "/backups", {})
    ended = wait_until(lambda: _ended(admin), "the backup to end")
    assert (ended["went_well"], ended["what"], ended["by"]) == (True, "by the api", "admin"), ended
    assert json.loads(busy.body)["changed"] is False
    newest = admin.get("/backups")[0]
    assert (newest["label"], newest["status"], newest["kind"]) == ("by the api", "verified", "config")

    again = admin.ask("POST", f"/backups/{newest['id']}/verify")
    assert (again.status, json.loads(again.body)["changed"]) == (202, True)
    assert wait_until(lambda: _ended(admin), "the backup to end")["went_well"] is True
    assert admin.get(f"/backups/{newest['id']}")["verified_at"] >= newest["verified_at"]
    assert told(admin, "verify")["source"] == "api"
    for path in ("..%2F..%2Fetc%2Fpasswd", newest["name"], "0" * 16):
        assert admin.ask("POST", f"/backups/{path}/verify").status == 404
    admin.fails(400, "POST", "/backups", {"label": "two\nlines"})


def _ended(admin: Caller) -> dict[str, Any] | None:
    work: dict[str, Any] = admin.get("/backups/work")
    return work if work["ended_at"] else None


def test_who_sees_some_groups_alone_sees_no_backup(office: Dashboard) -> None:
    add_users(office, ["bound"], role="admin")
    bind(office.house, "bound", "eu")
    bound = Caller(office, make_key(office.house, "bound", "admin"))

    for method, path in (("GET", "/backups"), ("POST", "/backups"), ("GET", "/backups/work")):
        bound.fails(404, method, path)


def test_settings_tell_default_and_source_and_no_secret(admin: Caller) -> None:
    found = {row["key"]: row for row in admin.get("/settings")}

    assert found["web.session_days"] == {"key": "web.session_days", "value": 7, "default": 14, "source": "file"}
    assert (found["alert_email"]["value"], found["alert_email"]["source"]) == ("ops@example.org", "environment")
    assert (found["smtp.password"]["value"], found["smtp.password"]["source"]) == ("***", "environment")
    assert (found["max_concurrent"]["value"], found["max_concurrent"]["source"]) == (10, "default")
    assert CANARY not in json.dumps(found)
    assert {"database.url", "web.oidc.client_secret", "channels"} <= set(found)


def test_a_channel_is_tried_and_its_answer_told(admin: Caller) -> None:
    done = admin.ask("POST", "/channels/email/test")

    assert (done.status, json.loads(done.body)["ok"]) == (200, False)
    assert '"channel-tests";q=6;w=60' in done.headers["ratelimit-policy"]
    listed = next(row for row in admin.get("/channels") if row["name"] == "email")
    assert (listed["test_ok"], listed["kind"]) == (False, "email")
    assert told(admin, "test")["entity_name"] == "email"
    admin.fails(404, "POST", "/channels/none/test")
    admin.fails(404, "POST", "/channels/ping/test")


def test_a_node_is_forgotten_where_it_is_gone(office: Dashboard, admin: Caller) -> None:
    admin.fails(404, "POST", "/nodes/none/forget")
    office.house.sure("master", "--once")
    node = admin.get("/nodes")[0]
    if node["state"] == "alive":
        admin.fails(409, "POST", f"/nodes/{node['name']}/forget")
        return
    assert json.loads(admin.ask("POST", f"/nodes/{node['name']}/forget").body)["changed"] is True
    assert "forget" in re.sub("_", " ", str(told(admin, "forget")["action"]))


def test_every_document_and_parameter_has_an_example_that_fits(admin: Caller) -> None:
    document = admin.get("/openapi.json")
    schemas = document["components"]["schemas"]
    used = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document["paths"])))
    objects = {name for name in used if schemas[name].get("type") == "object"}

    assert len(objects) > 25
    for name in sorted(objects):
        examples = schemas[name].get("examples")
        assert examples, name
        rules = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        faults = [fault.message for fault in validator_for(rules).iter_errors(examples[0])]
        assert faults == [], name
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for parameter in operation["parameters"]:
                assert "example" in parameter, (method, path, parameter["name"])
                rules = {**parameter["schema"], "components": document["components"]}
                assert validator_for(rules).is_valid(parameter["example"]), (path, parameter)
            for status, answer in operation["responses"].items():
                content = next(iter(answer.get("content", {}).values()), {})
                is_shaped = "#/components/schemas/" in json.dumps(content.get("schema", {}))
                assert status[0] != "2" or is_shaped or "example" in content, (method, path)


def test_the_document_names_the_header_as_it_is_sent(admin: Caller) -> None:
    run = admin.get("/openapi.json")["paths"]["/api/v1/tasks/{name}/run"]["post"]

    assert [each["name"] for each in run["parameters"] if each["in"] == "header"] == ["Idempotency-Key"]
