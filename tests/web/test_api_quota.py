"""How often the API may be asked, and how that is told; a dashboard with small figures of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

import pytest
from tests.web.api_callers import Caller, make_key
from tests.web.conftest import Dashboard, housed, served
from tests.web.visitors import ROLES, Visitor, add_users

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    few = {"WEB__API_CALLS_PER_MINUTE": "10", "WEB__RUNS_PER_MINUTE": "2"}
    with housed(tmp_path_factory.mktemp("home"), **few) as house:
        dashboard = served(house)
        add_users(dashboard)
        yield dashboard


@pytest.fixture(scope="module")
def callers(narrow: Dashboard) -> Mapping[str, Caller]:
    return {role: Caller(narrow, make_key(narrow.house, role, role)) for role in ROLES}


def left(field: str, rule: str) -> tuple[int, int]:
    """Return how many are left by the rule, and in how many seconds it begins anew."""
    found = re.search(rf'"{rule}";r=(\d+);t=(\d+)', field)
    assert found, field
    return int(found[1]), int(found[2])


def test_every_answer_says_how_many_are_left_and_a_refusal_when_there_are_more(callers: Mapping[str, Caller]) -> None:
    viewer = callers["viewer"]
    first = viewer.ask("GET", "/tasks")
    assert first.headers["ratelimit-policy"] == '"api-by-address";q=1200;w=60, "api";q=10;w=60'
    assert left(first.headers["ratelimit"], "api")[0] == 9
    assert viewer.ask("GET", "/tasks/none").status == 404

    answers = [viewer.ask("GET", "/status") for _ in range(9)]

    remaining = [left(answer.headers["ratelimit"], "api")[0] for answer in answers]
    assert remaining == [7, 6, 5, 4, 3, 2, 1, 0, 0]
    refused = answers[-1]
    assert (refused.status, json.loads(refused.body)["title"]) == (429, "Too often")
    assert refused.headers["ratelimit-policy"] == '"api";q=10;w=60'
    assert 1 <= left(refused.headers["ratelimit"], "api")[1] == int(refused.headers["retry-after"]) <= 60


def test_a_session_is_told_as_a_key_is(narrow: Dashboard) -> None:
    visitor = Visitor(narrow)
    visitor.log_in("editor")

    told = visitor.get("/api/v1/tasks").headers

    assert told["ratelimit-policy"] == '"api";q=10;w=60'
    assert left(told["ratelimit"], "api")[0] == 9


def test_runs_by_the_api_count_as_those_of_the_pages(callers: Mapping[str, Caller]) -> None:
    admin = callers["admin"]
    terms = {"task_name": "often", "shell_command": "true", "schedule_pattern": "@daily", "on_overlap": "allow"}
    admin.ask("POST", "/tasks", terms)

    answers = [admin.ask("POST", "/tasks/often/run", {}) for _ in range(3)]

    assert [answer.status for answer in answers] == [202, 202, 429]
    assert left(answers[1].headers["ratelimit"], "runs")[0] == 0
    assert answers[2].headers["ratelimit-policy"] == '"runs";q=2;w=60'


def test_who_sends_no_key_is_told_nothing_of_rules(narrow: Dashboard) -> None:
    answer = narrow.ask("/api/v1/tasks")

    assert answer.status == 401
    assert "ratelimit" not in answer.headers


def test_a_page_that_was_asked_too_often_tells_its_rule(tmp_path_factory: pytest.TempPathFactory) -> None:
    with housed(tmp_path_factory.mktemp("home"), WEB__LOGINS_PER_MINUTE_AND_ADDRESS="1") as house:
        visitor = Visitor(served(house))
        visitor.get("/login")
        answers = [visitor.post("/login", login="nobody", password="wrong") for _ in range(2)]

    assert answers[1].status == 429
    assert answers[1].headers["ratelimit-policy"] == '"logins";q=1;w=60'


def test_the_description_has_the_fields_and_the_refusals_of_every_operation(callers: Mapping[str, Caller]) -> None:
    document = callers["operator"].get("/openapi.json")

    assert set(document["components"]["headers"]) == {"RateLimit", "RateLimit-Policy", "Retry-After"}
    refusal = document["components"]["responses"]["Problem429"]
    assert set(refusal["headers"]) == {"RateLimit", "RateLimit-Policy", "Retry-After"}
    assert refusal["content"]["application/problem+json"]["example"]["status"] == 429
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            told = operation["responses"]
            assert {"400", "401", "403", "404", "409", "429", "503"} <= set(told), (method, path)
            good = next(told[status] for status in told if status.startswith("2"))
            assert set(good["headers"]) == {"RateLimit", "RateLimit-Policy"}, (method, path)
