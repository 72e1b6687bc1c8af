"""What runs, as whom and with what, is changed only shortly after a login; what was typed goes on after another one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.process.cli import wait_until
from tests.web.conftest import Dashboard, housed, served
from tests.web.furniture import opened
from tests.web.task_forms import form_of, script
from tests.web.visitors import PASSWORD, Visitor, add_users

pytestmark = pytest.mark.slow
BRIEF = """
from datetime import timedelta
import smart_cron.faces.web.django_apps as apps
apps.FRESH_LOGIN = timedelta(seconds=3)
"""


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard to which a login is fresh for three seconds."""
    with housed(tmp_path_factory.mktemp("home")) as house:
        dashboard = served(house, code=BRIEF)
        add_users(dashboard, ["admin"])
        yield dashboard


def stale(dashboard: Dashboard) -> Visitor:
    """Return somebody whose login was a while ago."""
    visitor = Visitor(dashboard)
    visitor.log_in("admin")
    wait_until(lambda: b"asks for your password again" in visitor.get("/tasks/new").body, "the end of a fresh login")
    return visitor


def test_a_changed_script_waits_for_a_fresh_login_and_then_goes_on(brief: Dashboard) -> None:
    first, second = script(brief, "first.sh"), script(brief, "second.sh")
    brief.house.sure("task", "add", "moved", "--script", first, "--schedule", "@daily")
    visitor = stale(brief)
    fields = form_of(visitor, "/tasks/moved/edit")
    answer = visitor.post("/tasks/moved/edit", **{**fields, "script": second, "description": "kept"})

    assert answer.status == 302
    to = urlsplit(answer.headers["location"])
    assert to.path == "/account/fresh"
    with opened(brief) as store:
        assert store.tasks.get("moved").definition.script == first
    visitor.get(answer.headers["location"])
    done = visitor.post("/account/fresh", password=PASSWORD, next=parse_qs(to.query)["next"][0])
    assert done.headers["location"] == "/tasks/moved"
    with opened(brief) as store:
        saved = store.tasks.get("moved").definition
    assert (saved.script, saved.description) == (second, "kept")


@pytest.mark.parametrize(
    "changed", [{"environment": "A=1"}, {"arguments": "-c"}, {"run_as": "root"}, {"stdin_text": "rm"}]
)
def test_so_does_all_that_decides_what_runs(brief: Dashboard, changed: dict[str, str]) -> None:
    name = f"by-{next(iter(changed))}"
    brief.house.sure("task", "add", name, "--script", script(brief), "--schedule", "@daily")
    visitor = stale(brief)
    answer = visitor.post(f"/tasks/{name}/edit", **{**form_of(visitor, f"/tasks/{name}/edit"), **changed})

    assert urlsplit(answer.headers.get("location", "")).path == "/account/fresh", answer.status


def test_what_does_not_decide_what_runs_needs_none(brief: Dashboard) -> None:
    brief.house.sure("task", "add", "timed", "--script", script(brief), "--schedule", "@daily")
    visitor = stale(brief)
    answer = visitor.post("/tasks/timed/edit", **{**form_of(visitor, "/tasks/timed/edit"), "timeout": "5m"})

    assert answer.headers["location"] == "/tasks/timed"


def test_a_rollback_to_another_script_does_too(brief: Dashboard) -> None:
    first, second = script(brief, "first.sh"), script(brief, "second.sh")
    brief.house.sure("task", "add", "back", "--script", first, "--schedule", "@daily")
    brief.house.sure("task", "edit", "back", "--script", second)
    visitor = stale(brief)
    answer = visitor.post("/tasks/back/rollback", revision="1", read="2")

    assert urlsplit(answer.headers["location"]).path == "/account/fresh"
    with opened(brief) as store:
        assert Path(store.tasks.get("back").definition.script or "").name == "second.sh"


def test_the_api_takes_no_change_of_what_runs_from_a_session_that_is_not_fresh(brief: Dashboard) -> None:
    brief.house.sure("task", "add", "by-api", "--script", script(brief), "--schedule", "@daily")
    visitor = stale(brief)
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    # A key that is none does not make a key's call of it.
    headers = {
        "Cookie": cookies,
        "X-CSRFToken": visitor.token,
        "Content-Type": "application/json",
        "Authorization": "Bearer sc_00000000_" + "x" * 43,
    }

    refused = brief.ask("/api/v1/tasks/by-api", "PATCH", body=b'{"task_arguments": ["-c"]}', headers=headers)
    taken = brief.ask("/api/v1/tasks/by-api", "PATCH", body=b'{"priority": 2}', headers=headers)

    assert (refused.status, b"Log in anew" in refused.body, taken.status) == (403, True, 200), refused.body
    with opened(brief) as store:
        saved = store.tasks.get("by-api").definition
    assert (saved.arguments, saved.priority) == ((), 2)
