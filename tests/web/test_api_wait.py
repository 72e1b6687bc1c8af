"""`?wait=`: whoever waits for the end of a run keeps nobody else from the dashboard."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager

import pytest
from tests.process.cli import wait_until
from tests.web.api_callers import Caller, make_key
from tests.web.conftest import ANSWER_SECONDS, Dashboard
from tests.web.furniture import opened
from tests.web.task_forms import script
from tests.web.visitors import add_users

from smart_cron.faces.web.waiting import MOST_OF_ONE

pytestmark = pytest.mark.slow
OPERATORS = ("ann", "bob", "cid")


@pytest.fixture(scope="module")
def callers(dashboard: Dashboard) -> Mapping[str, Caller]:
    """Operators, of whom nobody waits in another test: a client that left may still count for a moment."""
    add_users(dashboard, OPERATORS, role="operator")
    return {name: Caller(dashboard, make_key(dashboard.house, name, "operator")) for name in OPERATORS}


@pytest.fixture
def add_tasks(dashboard: Dashboard) -> Callable[[str, int], list[str]]:
    def add(prefix: str, count: int) -> list[str]:
        names = [f"{prefix}{number}" for number in range(count)]
        path = script(dashboard)
        for name in names:
            dashboard.house.sure("task", "add", name, "--script", path, "--schedule", "@yearly")
        return names

    return add


@contextmanager
def waiting(caller: Caller, tasks: Sequence[str]) -> Iterator[list[socket.socket]]:
    """Ask for a run of each, to wait for as long as may be; no master starts any. Begins once all are asked for."""
    with ExitStack() as opening:
        held = []
        for task in tasks:
            address = ("127.0.0.1", caller.dashboard.port)
            one = opening.enter_context(closing(socket.create_connection(address, timeout=ANSWER_SECONDS)))
            one.sendall(
                f"POST /api/v1/tasks/{task}/run?wait=25 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                f"Authorization: Bearer {caller.key}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            held.append(one)
        with opened(caller.dashboard) as store:
            wait_until(lambda: all(_number(store, task) for task in tasks), "all runs to be asked for")
        yield held


def _number(store: object, task: str) -> int:
    rows = store.history.runs(task_id=store.tasks.get(task).id)  # type: ignore[attr-defined]
    return int(rows[0]["id"]) if rows else 0


def answered(held: Sequence[socket.socket]) -> list[socket.socket]:
    """Return those whose answer has begun."""
    return select.select(held, [], [], 0)[0]


def read(one: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body."""
    whole = b"".join(iter(lambda: one.recv(65_536), b""))
    head, _, body = whole.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = body.split(b"\r\n")[1]
    return int(first.split()[1]), headers, body


def test_a_visitor_is_answered_while_more_wait_than_there_are_clerks(
    dashboard: Dashboard, callers: Mapping[str, Caller], add_tasks: Callable[[str, int], list[str]]
) -> None:
    with waiting(callers["ann"], add_tasks("long", 8)) as held:
        visited = dashboard.ask("/login").status

        assert (visited, answered(held)) == (200, [])


def test_who_waits_too_often_at_once_is_told_how_the_run_stands(
    callers: Mapping[str, Caller], add_tasks: Callable[[str, int], list[str]]
) -> None:
    with waiting(callers["bob"], add_tasks("many", MOST_OF_ONE + 1)) as held:
        first, *others = select.select(held, [], [], ANSWER_SECONDS)[0]
        status, _, body = read(first)

        assert others == []
        assert (status, json.loads(body)["run"]) == (202, None)
        assert answered([one for one in held if one is not first]) == []


def test_the_end_of_the_run_is_told_with_the_run(
    dashboard: Dashboard, callers: Mapping[str, Caller], add_tasks: Callable[[str, int], list[str]]
) -> None:
    caller, (task,) = callers["cid"], add_tasks("told", 1)
    with waiting(caller, [task]) as (held,), opened(dashboard) as store:
        number = _number(store, task)
        store.session.execute(f"UPDATE smart_cron_executions SET status = 'success' WHERE id = {number}")
        status, headers, body = read(held)

    told = json.loads(body)
    assert status == 200
    assert told == {
        "id": number,
        "task_name": task,
        "is_new": True,
        "run": caller.get(f"/runs?task={task}")["items"][0],
    }
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert '"runs";r=' in headers["ratelimit"]
