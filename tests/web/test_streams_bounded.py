"""Streams: so many for each user, and one channel for all who look at the same."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.process.cli import wait_until
from tests.web.addresses import everything_in
from tests.web.conftest import Dashboard, housed, served
from tests.web.printing import listening
from tests.web.visitors import Visitor, add_users

from smart_cron.faces.web.desk import Desk
from smart_cron.faces.web.live.lookers import Lookers

MOST = 3
LONG = 60.0


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with housed(tmp_path_factory.mktemp("home"), WEB__STREAMS_PER_USER=str(MOST)) as house:
        found = served(house)
        add_users(found, ["viewer", "admin"])
        yield found


def logged_in(dashboard: Dashboard, name: str) -> Visitor:
    visitor = Visitor(dashboard)
    visitor.log_in(name)
    return visitor


@pytest.mark.slow
def test_beyond_the_bound_a_stream_is_refused_until_another_one_ends(serving: Dashboard) -> None:
    viewer, again = logged_in(serving, "viewer"), logged_in(serving, "viewer")
    with ExitStack() as held:
        for name in ("home", "runs", "log"):
            assert held.enter_context(listening(serving, viewer, f"/stream/{name}")).status == 200

        refused = again.get("/stream/home")

        assert (refused.status, refused.headers["retry-after"]) == (429, "10")
        with listening(serving, logged_in(serving, "admin"), "/stream/home") as other:
            assert other.status == 200

    def is_let_in() -> bool:
        with listening(serving, again, "/stream/home") as events:
            return events.status == 200

    wait_until(is_let_in, "a place for another stream")


@pytest.mark.slow
def test_fields_that_a_page_does_not_have_make_no_channel(serving: Dashboard) -> None:
    admin, streams = logged_in(serving, "admin"), everything_in(serving.house).streams

    assert {name: admin.get(f"/stream/{name}?x=1").status for name in streams} == dict.fromkeys(streams, 400)
    assert admin.get("/stream/runs?status=failed&status=success").status == 400


@pytest.mark.slow
@pytest.mark.parametrize(
    "query",
    [
        "runs?since=24h&status=failed",
        "alerts?state=history&severity=critical",
        "tasks?sort=-last&q=x&page=",
        "audit?who=ann",
    ],
)
def test_fields_that_a_page_has_are_looked_for(serving: Dashboard, query: str) -> None:
    with listening(serving, logged_in(serving, "admin"), f"/stream/{query}") as events:
        assert next(iter(events))["event"]


def test_however_much_is_looked_at_a_page_finds_a_clerk() -> None:
    release = threading.Event()

    async def ask() -> str:
        desk = Desk("t", clerks=3, most_waiting=20)
        lookers = Lookers(desk, at_once=2)
        looks = [asyncio.create_task(lookers.ask(lambda: release.wait(LONG), within_seconds=LONG)) for _ in range(9)]
        await asyncio.sleep(0)
        found = await desk.ask(lambda: "a page", within_seconds=LONG)
        release.set()
        assert await asyncio.gather(*looks) == [True] * 9
        return found

    assert asyncio.run(ask()) == "a page"
