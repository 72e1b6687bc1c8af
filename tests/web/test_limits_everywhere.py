"""How often somebody may run and search: by every page and operation that does, counted together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.web.addresses import everything_in
from tests.web.api_callers import Caller, make_key
from tests.web.conftest import Answer, Dashboard, housed, served
from tests.web.furniture import add, opened
from tests.web.printing import printed
from tests.web.visitors import Visitor, add_users

pytestmark = pytest.mark.slow
MOST = 2
# A minute may end amid them, once: then twice as many are let through, and the last are refused all the same.
TRIES = 2 * MOST + 2
WORDS = "?kind=master&text=x"
RUNS: Mapping[str, Callable[[Visitor, Caller], Answer]] = {
    "tasks/<str:key>/run": lambda visitor, _: visitor.post("/tasks/printer/run"),
    "tasks/<str:key>/held": lambda visitor, _: visitor.post("/tasks/printer/held", wish="run"),
    "tasks/bulk": lambda visitor, _: visitor.post("/tasks/bulk", action="run", task="printer"),
    "runs/<str:run>/rerun": lambda visitor, _: visitor.post("/runs/1/rerun"),
    "POST /tasks/{name}/run": lambda _, caller: caller.ask("POST", "/tasks/printer/run"),
    "POST /tasks/{name}/held/run": lambda _, caller: caller.ask("POST", "/tasks/printer/held/run", {}),
    "POST /runs/{run}/retry": lambda _, caller: caller.ask("POST", "/runs/1/retry"),
}
SEARCHES: Mapping[str, Callable[[Visitor, Caller], Answer]] = {
    "search": lambda visitor, _: visitor.get("/search?q=x"),
    "runs/<str:run>/search": lambda visitor, _: visitor.get("/runs/1/search?words=x"),
    "logs": lambda visitor, _: visitor.get(f"/logs{WORDS}"),
    "logs/older": lambda visitor, _: visitor.get(f"/logs/older{WORDS}&day=2026-01-01&before=1"),
    "logs/newer": lambda visitor, _: visitor.get(f"/logs/newer{WORDS}&after=2026-01-01:1"),
    "GET /logs": lambda _, caller: caller.ask("GET", "/logs?text=x"),
}
# By a limit of their own routes; in the log only words are looked for, and its view says so.
BY_ROUTE = {"runs": {name for name in RUNS if " " not in name}, "searches": {"search", "runs/<str:run>/search"}}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    few = {"WEB__RUNS_PER_MINUTE": str(MOST), "WEB__SEARCHES_PER_MINUTE": str(MOST)}
    with housed(tmp_path_factory.mktemp("home"), **few) as house:
        found = served(house)
        printed(found, "printer", b"x\n")
        yield found


def asking(serving: Dashboard, name: str) -> tuple[Visitor, Caller]:
    """Return an operator of this name, by a browser and by a key."""
    add_users(serving, [name], role="operator")
    visitor = Visitor(serving)
    visitor.log_in(name)
    visitor.get("/tasks/printer")
    return visitor, Caller(serving, make_key(serving.house, name, "operator"))


@pytest.mark.parametrize(("place", "way"), [*enumerate(RUNS), *enumerate(SEARCHES, 100)])
def test_each_way_has_the_limit_and_says_when_to_come_again(serving: Dashboard, place: int, way: str) -> None:
    ask, (visitor, caller) = {**RUNS, **SEARCHES}[way], asking(serving, f"user{place}")

    answers = [ask(visitor, caller) for _ in range(TRIES)]

    assert answers[0].status not in (403, 429), answers[0].body
    refused = [answer for answer in answers if answer.status == 429]
    assert len(refused) >= TRIES - 2 * MOST
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in refused)


def test_pages_and_keys_are_counted_together_and_others_apart(serving: Dashboard) -> None:
    visitor, caller = asking(serving, "both")
    for ways in (RUNS, SEARCHES):
        statuses = [ask(visitor, caller).status for ask in ways.values()]
        assert statuses.count(429) >= len(ways) - 2 * MOST, statuses

    other, _ = asking(serving, "other")
    assert other.get("/search?q=x").status == 200


def test_refused_is_not_run(serving: Dashboard) -> None:
    _, caller = asking(serving, "eager")
    with opened(serving) as store:
        task = store.tasks.get("printer").id
        before = len(store.history.runs(task_id=task, limit=500))

        asked = [caller.ask("POST", "/tasks/printer/run").status for _ in range(TRIES)]

        assert len(store.history.runs(task_id=task, limit=500)) - before == asked.count(202)
        assert asked.count(429) >= TRIES - 2 * MOST


def test_runs_asked_for_together_are_counted_one_by_one(serving: Dashboard) -> None:
    visitor, _ = asking(serving, "ticking")
    with opened(serving) as store:
        numbers = [str(add(store, f"ticked{number}")) for number in range(TRIES)]

        visitor.post("/tasks/bulk", action="run", once="a", task=numbers)

        runs = sum(bool(store.history.runs(task_id=int(number), limit=1)) for number in numbers)
    assert 1 <= runs <= 2 * MOST
    assert b"No more runs for now" in visitor.get("/tasks").body


def test_no_page_that_runs_or_searches_is_without_one(serving: Dashboard) -> None:
    """A route whose name says that it does has the limit, and those above are all."""
    pages = everything_in(serving.house).pages
    named = {"runs": ("run", "rerun", "held", "bulk"), "searches": ("search",)}

    for limit, words in named.items():
        found = {page.path for page in pages if page.path.rpartition("/")[2] in words}
        assert found == BY_ROUTE[limit] == {page.path for page in pages if page.limit == limit}


def test_settings_show_each_limit(serving: Dashboard) -> None:
    text = (Path(__file__).parents[2] / "docs" / "web.md").read_text()

    for name in ("runs_per_minute", "searches_per_minute"):
        assert name in text
