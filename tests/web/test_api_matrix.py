"""Every operation of the API as nobody and as each role: who may not is refused, whatever the operation is."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping

import pytest
from tests import warm
from tests.web.api_callers import Caller, make_key
from tests.web.conftest import Dashboard
from tests.web.visitors import ROLES, add_users

pytestmark = pytest.mark.slow
# What an operation needs before it asks who may: a body that can be read.
BODIES: Mapping[str, object] = {
    "POST /tasks": {"task_name": "matrix", "task_script": "/nowhere", "schedule_pattern": "@daily"},
    "PATCH /tasks/{name}": {"priority": 1},
    "POST /alerts/{number}/snooze": {},
    "POST /stop": {"reason": "matrix"},
    "POST /users": {"name": "matrix", "password": "correct horse battery"},
    "PATCH /users/{name}": {"role": "viewer"},
}
VALUES = {"name": "nobody", "run": "999999", "number": "999999", "revision": "999999", "backup_id": "999999"}
LIST = """
import json
from smart_cron.config import load_config
from smart_cron.faces.web.settings import open_web_store
open_web_store(load_config())
from smart_cron.faces.api.access import NEEDS
from smart_cron.faces.api.application import RESOURCES, build, operations
api = build()
found = []
for prefix, router in RESOURCES:
    for view in router.path_operations.values():
        for each in view.operations:
            found += [[method, prefix + each.path, str(getattr(each.view_func, NEEDS))] for method in each.methods]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def listed(dashboard: Dashboard) -> list[tuple[str, str, str]]:
    done = warm.run([sys.executable, "-c", LIST], env=dashboard.house.environment)
    assert done.returncode == 0, done.stderr
    return [(method, path, role) for method, path, role in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def callers(dashboard: Dashboard) -> Mapping[str, Caller]:
    add_users(dashboard)
    return {role: Caller(dashboard, make_key(dashboard.house, role, role)) for role in ROLES}


def test_the_description_names_every_operation(
    callers: Mapping[str, Caller], listed: list[tuple[str, str, str]]
) -> None:
    described = callers["viewer"].get("/openapi.json")["paths"]
    named = {(method.upper(), path) for path, methods in described.items() for method in methods}

    assert {(method, f"/api/v1{path}") for method, path, _ in listed} == named


def test_nobody_and_every_role_may_what_the_operation_says(
    callers: Mapping[str, Caller], listed: list[tuple[str, str, str]], dashboard: Dashboard
) -> None:
    nobody = Caller(dashboard, "sc_00000000_" + "x" * 43)
    wrong = []
    for method, path, needed in listed:
        where = re.sub(r"\{(?:\w+:)?(\w+)\}", lambda found: VALUES[found[1]], path)
        body = BODIES.get(f"{method} {path}")
        if (status := nobody.ask(method, where, body).status) != 401:
            wrong.append((method, path, "nobody", status))
        for role in ROLES:
            status = callers[role].ask(method, where, body).status
            allowed = ROLES.index(role) >= ROLES.index(needed)
            if allowed == (status == 403) or status >= 500:
                wrong.append((method, path, role, status))

    assert len(listed) > 40
    assert wrong == []
