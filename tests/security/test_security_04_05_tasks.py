"""SECURITY 4 and 5, forms of tasks: fields that they do not have and values of the wrong kind are refused whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from tests.web.conftest import Dashboard, dashboard
from tests.web.furniture import opened
from tests.web.task_forms import form_of, script
from tests.web.visitors import Visitor, add_users

__all__ = ["dashboard"]
Forms = Callable[[str, str], dict[str, str]]
pytestmark = pytest.mark.slow
FOREIGN = (
    "id", "uid", "gid", "is_admin", "is_running", "next_run_at", "status", "last_status", "origin", "created_at",
    "consecutive_failures", "invalid_reason", "planned_pattern", "limits", "__class__", "actor",
)  # fmt: skip


@pytest.fixture(scope="module")
def visitors(dashboard: Dashboard) -> dict[str, Visitor]:
    add_users(dashboard, ["editor", "admin"])
    dashboard.house.sure("task", "add", "mine", "--script", script(dashboard), "--schedule", "@daily")
    found = {}
    for name in ("editor", "admin"):
        found[name] = Visitor(dashboard)
        found[name].log_in(name)
    return found


Visitors = dict[str, Visitor]


@pytest.fixture(scope="module")
def forms(visitors: dict[str, Visitor]) -> Forms:
    """Return the form of a page as somebody gets it; each is asked for once."""
    return cache(lambda who, path: form_of(visitors[who], path))


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("path", ["/tasks/new", "/tasks/mine/edit"])
def test_a_field_that_the_form_does_not_have_is_refused(visitors: Visitors, forms: Forms, path: str, name: str) -> None:
    visitor = visitors["admin"]
    fields = {**forms("admin", path), "description": "slipped in", name: "1"}
    answer = visitor.post(path, **fields)

    assert answer.status == 400
    assert name.encode() in answer.body
    with opened(visitor.dashboard) as store:
        assert "slipped in" not in [task.definition.description for task in store.tasks.list()]


@pytest.mark.parametrize("name", ["run_as", "environment", "shell_command"])
@pytest.mark.parametrize("path", ["/tasks/new", "/tasks/mine/edit"])
def test_what_only_admins_set_is_refused_from_an_editor(visitors: Visitors, forms: Forms, path: str, name: str) -> None:
    visitor = visitors["editor"]
    fields = forms("editor", path)

    assert name not in fields
    assert visitor.post(path, **{**fields, name: "root"}).status == 400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("priority", "1e999"), ("priority", "NaN"), ("priority", "5.0"), ("priority", "٥"), ("priority", "9" * 30),
        ("timeout", "inf"), ("timeout", "-5"), ("timeout", "999999999d"), ("enabled", "yes"), ("on_overlap", "explode"),
        ("sandbox", ""), ("success_exit_codes", "0;1"), ("success_exit_codes", "256"), ("anomaly_tolerance", "nan"),
        ("anomaly_tolerance", "1e999"), ("limits-nice", "-99"), ("limits-output_bytes", "0"), ("arguments", "[[]]"),
        ("arguments", "[" * 5000), ("environment", '{"A": 1}'), ("environment", "A=1\nA=2"), ("name", "a\0b"),
        ("name", "x" * 101), ("description", "x" * 501), ("schedule", "* * * * * *"), ("schedule", "x" * 300),
        ("time_zone", "../../etc/passwd"), ("umask", "999"), ("alert_email", "a@b\r\nBcc: c@d"), ("ping_url", "file:///x"),
        ("run_as", "root; id"), ("working_directory", "relative"), ("working_directory", "/" + "x" * 300),
        ("ping_url", "https://evil.example/x"), ("alert_slack_webhook", "https://127.0.0.1/x"),
        ("alert_slack_webhook", "https://hooks.slack.com:22/x"),
        ("success_exit_codes", ",".join(map(str, range(256)))), ("node_tag", "a b"), ("time_zone", "x" * 80),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_refused_on_its_field(
    visitors: Visitors, forms: Forms, name: str, value: str
) -> None:
    visitor = visitors["admin"]
    answer = visitor.post("/tasks/mine/edit", **{**forms("admin", "/tasks/mine/edit"), name: value})

    assert answer.status == 400
    assert f'href="#f-{name}"' in answer.body.decode()


@pytest.mark.parametrize("value", ["", "x", "-1", "1.5", "9" * 40])
def test_an_odd_revision_is_refused(visitors: Visitors, forms: Forms, value: str) -> None:
    visitor = visitors["admin"]
    answer = visitor.post("/tasks/mine/edit", **{**forms("admin", "/tasks/mine/edit"), "revision": value})

    assert answer.status == 400


def test_a_field_that_comes_twice_is_refused(visitors: dict[str, Visitor]) -> None:
    visitor = visitors["admin"]
    visitor.get("/tasks/mine")
    body = f"csrfmiddlewaretoken={visitor.token}&to=on&to=off"
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}

    assert visitor.dashboard.ask("/tasks/mine/switch", "POST", body=body.encode(), headers=headers).status == 400
