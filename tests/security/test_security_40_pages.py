"""SECURITY 40: run now twice at once, from one form or from two tabs, is one run."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.web.conftest import Dashboard, dashboard
from tests.web.furniture import opened
from tests.web.task_forms import script
from tests.web.visitors import Visitor, add_users

__all__ = ["dashboard"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def operator(dashboard: Dashboard) -> Visitor:
    add_users(dashboard, ["operator"])
    for name in ("doubled", "tabbed", "again", "busy", "bulked"):
        overlap = "skip" if name == "busy" else "allow"
        dashboard.house.sure(
            "task", "add", name, "--script", script(dashboard), "--schedule", "@yearly", "--on-overlap", overlap
        )
    visitor = Visitor(dashboard)
    visitor.log_in("operator")
    return visitor


def token_of(visitor: Visitor, path: str) -> str:
    found = re.search(rb'name="once" value="([^"]+)"', visitor.get(path).body)
    assert found
    return found[1].decode()


def runs_of(visitor: Visitor, name: str) -> int:
    with opened(visitor.dashboard) as store:
        return len(store.history.runs(task_id=store.tasks.get(name).id))


def test_a_double_click_makes_one_run(operator: Visitor) -> None:
    token = token_of(operator, "/tasks/doubled")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: operator.post("/tasks/doubled/run", once=token).status, range(4)))

    assert answers == [302] * 4
    assert runs_of(operator, "doubled") == 1


def test_two_tabs_at_once_make_one_run(operator: Visitor) -> None:
    tokens = [token_of(operator, "/tasks/tabbed") for _ in range(2)]
    assert tokens[0] != tokens[1]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda token: operator.post("/tasks/tabbed/run", once=token), tokens))

    assert runs_of(operator, "tabbed") == 1


def test_a_client_that_tries_again_later_makes_no_second_run(operator: Visitor) -> None:
    token = token_of(operator, "/tasks/again")
    operator.post("/tasks/again/run", once=token)
    with opened(operator.dashboard) as store:
        # As if it had been asked for long before.
        store.session.execute("UPDATE smart_cron_executions SET created_at = '2026-01-05 03:00:00.000000'")
    operator.post("/tasks/again/run", once=token)
    assert runs_of(operator, "again") == 1

    operator.post("/tasks/again/run", once=token_of(operator, "/tasks/again"))
    assert runs_of(operator, "again") == 2


def test_what_the_overlap_policy_forbids_is_told(operator: Visitor) -> None:
    operator.post("/tasks/busy/run", once=token_of(operator, "/tasks/busy"))
    with opened(operator.dashboard) as store:
        store.session.execute("UPDATE smart_cron_executions SET created_at = '2026-01-05 03:00:00.000000'")
    operator.post("/tasks/busy/run", once=token_of(operator, "/tasks/busy"))
    page = operator.get("/tasks/busy").body.decode()

    assert "It was not run" in page
    assert "on_overlap is" in page
    assert runs_of(operator, "busy") == 1


def test_several_ticked_tasks_run_once_each_however_often_the_form_comes(operator: Visitor) -> None:
    token = token_of(operator, "/tasks")
    with opened(operator.dashboard) as store:
        number = str(store.tasks.get("bulked").id)
    for _ in range(3):
        assert operator.post("/tasks/bulk", action="run", once=token, back="", task=number).status == 302

    assert runs_of(operator, "bulked") == 1
