"""What belongs to other groups is not there for whoever is let near some alone, and what is an admin's is no editor's.

Found by a second person's attack, beyond the numbered checks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from tests.web.api_callers import Caller, make_key
from tests.web.conftest import Dashboard, housed, served
from tests.web.furniture import alarm, bind, opened, task_number, visitor
from tests.web.task_forms import form_of, script
from tests.web.visitors import add_users

from smart_cron.core.alert import Severity

pytestmark = pytest.mark.slow
FEED = "a password on its way in"
LONG_AGO = "since=2020-01-01T00:00:00Z"


@dataclass
class Walls:
    """One dashboard with users of everything and of the group `near`; `of` is what calls the API as one of them."""

    dashboard: Dashboard
    callers: dict[str, Caller] = field(default_factory=dict)

    def of(self, name: str, role: str = "") -> Caller:
        if name not in self.callers:
            self.callers[name] = Caller(self.dashboard, make_key(self.dashboard.house, name, role or name))
        return self.callers[name]

    def add(self, name: str, group: str, **more: object) -> None:
        terms = {"task_name": name, "task_script": script(self.dashboard), "schedule_pattern": "0 3 * * *"}
        made = self.of("admin").ask("POST", "/tasks", {**terms, "task_group": group, **more})
        assert made.status == 201, made.body

    def patch(self, name: str, **terms: object) -> None:
        assert self.of("admin").ask("PATCH", f"/tasks/{name}", terms).status == 200


@pytest.fixture(scope="module")
def walls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walls]:
    with housed(tmp_path_factory.mktemp("home")) as house:
        dashboard = served(house)
        add_users(dashboard)
        for name, role in (("guest", "viewer"), ("hand", "operator"), ("author", "editor"), ("chief", "admin")):
            bind(dashboard, name, ["near"], role=role)
        found = Walls(dashboard)
        for name, role in (("guest", "viewer"), ("hand", "operator"), ("author", "editor"), ("chief", "admin")):
            found.of(name, role)
        found.add("far", "far")
        found.add("near", "near")
        yield found


@pytest.mark.parametrize("path", ["/ledger", "/ledger?task=", "/ledger?task=far", "/ledger?task=%20"])
def test_the_ledger_of_all_is_not_for_whoever_sees_some(walls: Walls, path: str) -> None:
    walls.of("operator").ask("POST", "/tasks/far/run", {})

    answer = walls.of("guest").ask("GET", path)

    assert answer.status in (400, 403, 404, 422)
    assert b'"far"' not in answer.body


def test_whoever_takes_the_name_of_a_deleted_task_has_nothing_of_its_history(walls: Walls) -> None:
    walls.add("secret", "far")
    walls.of("operator").ask("POST", "/tasks/secret/run", {})
    assert walls.of("admin").ask("DELETE", "/tasks/secret").status == 200
    walls.add("secret", "near")

    theirs = [walls.of(name).ask("GET", f"/ledger?task=secret&{LONG_AGO}").body for name in ("guest", "admin")]
    told = [walls.of(name).get(f"/tasks/secret/why?{LONG_AGO}") for name in ("guest", "admin")]

    assert [lines.count(b'"manual"') for lines in theirs] == [0, 1]
    assert len(told[0]) < len(told[1])
    assert [event["action"] for event in told[0] if event["kind"] == "change"] == ["create"]


def test_an_alert_belongs_to_its_task_and_not_to_whoever_has_its_name(walls: Walls) -> None:
    walls.add("alarmed", "far")
    with opened(walls.dashboard) as store:
        number = alarm(store, "alarmed", task_id=task_number(store, "alarmed"), severity=Severity.ERROR)
        store.session.execute("UPDATE smart_cron_tasks_config SET task_name = 'renamed' WHERE task_name = 'alarmed'")
    walls.add("alarmed", "near")

    walls.of("guest").fails(404, "GET", f"/alerts/{number}")
    walls.of("hand").fails(404, "POST", f"/alerts/{number}/resolve", {})

    assert number not in {alert["id"] for alert in walls.of("guest").get("/alerts")["items"]}
    assert walls.of("viewer").get(f"/alerts/{number}")["resolved_at"] is None


def test_an_admin_of_some_groups_is_none_of_the_system(walls: Walls) -> None:
    for method, path, body in (
        ("GET", "/audit?task=far", None),
        ("GET", "/settings", None),
        ("GET", "/users", None),
        ("PATCH", "/users/chief", {"groups": None}),
        ("POST", "/users", {"name": "chum", "password": "a long password of theirs", "role": "admin"}),
        ("POST", "/stop", {"reason": "for fun"}),
    ):
        assert walls.of("chief").ask(method, path, body).status in (403, 404), path
    seen = visitor(walls.dashboard, "chief")
    for path in ("/audit", "/settings/users", "/settings/channels", "/backups"):
        assert seen.get(path).status in (403, 404), path
    # Their own tasks are theirs in full.
    assert walls.of("chief").ask("PATCH", "/tasks/near", {"environment": {"SHOP": "eu"}}).status == 200


def test_the_last_admin_of_everything_is_not_shut_in(walls: Walls) -> None:
    told = walls.of("admin").fails(400, "PATCH", "/users/admin", {"groups": ["near"]})

    assert "the only admin" in told["detail"]


def test_findings_are_told_without_words_to_whoever_sees_some(walls: Walls) -> None:
    walls.dashboard.house.call("health", "--json")

    whole, part = (walls.of(name).get("/status")["findings"] for name in ("viewer", "guest"))

    assert any(finding["message"] for finding in whole)
    assert [finding["message"] + finding["remedy"] for finding in part] == [""] * len(whole)


def test_what_a_task_reads_is_shown_to_whoever_may_change_tasks(walls: Walls) -> None:
    walls.add("fed", "near", stdin_text=FEED)

    shown = {name: walls.of(name).get("/tasks/fed")["stdin_text"] for name in ("viewer", "operator", "editor")}

    assert shown == {"viewer": "***", "operator": "***", "editor": FEED}
    listed = walls.of("viewer").ask("GET", "/tasks")
    assert FEED.encode() not in listed.body


@pytest.mark.parametrize(
    ("task", "change"),
    [
        ({"run_as_user": "nobody"}, {"stdin_text": "id"}),
        ({"task_script": None, "shell_command": "./deploy.sh"}, {"working_directory": "/tmp"}),
        ({"task_script": None, "shell_command": "./deploy.sh"}, {"schedule": "0 0 29 2 *"}),
    ],
)
def test_an_editor_changes_by_the_page_what_the_api_lets_them(
    walls: Walls, request: pytest.FixtureRequest, task: dict[str, str | None], change: dict[str, str]
) -> None:
    name = f"guarded{request.node.callspec.indices['task']}{len(walls.of('admin').get('/tasks'))}"
    walls.add(name, "near", **task)
    author = visitor(walls.dashboard, "author")
    before = walls.of("admin").get(f"/tasks/{name}")

    sent = author.post(f"/tasks/{name}/edit", **{**form_of(author, f"/tasks/{name}/edit"), **change})

    assert sent.status == 400, sent.status
    assert walls.of("admin").get(f"/tasks/{name}") == before


def test_an_editor_does_not_go_back_to_what_an_admin_fed_a_task(walls: Walls) -> None:
    walls.add("unfed", "near", stdin_text=FEED)
    walls.patch("unfed", stdin_text=None)
    author = visitor(walls.dashboard, "author")
    author.get("/tasks/unfed/revisions")

    author.post("/tasks/unfed/rollback", revision="1", read="2")

    assert walls.of("admin").get("/tasks/unfed")["stdin_text"] is None
    walls.of("author").fails(403, "POST", "/tasks/unfed/revisions/1/restore")


def test_a_patch_overwrites_nothing_of_another_that_came_between(walls: Walls) -> None:
    walls.add("shared", "near", run_as_user="nobody", environment={"A": "b"})
    ways = {
        "admin": {"run_as_user": None, "environment": {}, "enabled": False},
        "editor": {"task_description": "as it is"},
    }
    callers = {name: walls.of(name) for name in ways}

    for _ in range(6):
        walls.patch("shared", run_as_user="nobody", environment={"A": "b"}, enabled=True, task_description="")
        with ThreadPoolExecutor(2) as both:
            sent = {name: both.submit(callers[name].ask, "PATCH", "/tasks/shared", ways[name]) for name in ways}
        assert sent["admin"].result().status == 200
        after = walls.of("admin").get("/tasks/shared")
        assert (after["run_as_user"], after["environment"], after["enabled"]) == (None, {}, False)
        assert after["task_description"] == ("as it is" if sent["editor"].result().status == 200 else "")


def test_a_task_that_is_called_like_the_number_of_another_does_not_stand_in_its_way(walls: Walls) -> None:
    number = walls.of("admin").get("/tasks/near")["id"]
    run = json.loads(walls.of("operator").ask("POST", "/tasks/near/run", {}).body)["id"]
    walls.of("operator").ask("POST", f"/runs/{run}/kill")
    walls.add(str(number), "far")
    hand = visitor(walls.dashboard, "hand")
    hand.get(f"/runs/{run}")

    again = hand.post(f"/runs/{run}/rerun").headers["location"]
    assert again.startswith("/runs/")
    assert again != f"/runs/{run}"
    walls.of("operator").ask("POST", f"{again}/kill")
    by_key = walls.of("hand").ask("POST", f"/runs/{run}/retry")

    assert json.loads(by_key.body)["task_name"] == "near"
