"""A mail server or a directory that hangs holds some of those who make pages, and leaves the others to visitors."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

import pytest
from tests.web.api_callers import Caller, make_key
from tests.web.conftest import ANSWER_SECONDS, Answer, House, served
from tests.web.visitors import Visitor, add_users

pytestmark = pytest.mark.slow
# As many as there are clerks, and one more.
MANY = 7


def refused(asked: Sequence[Future[Answer]], count: int) -> None:
    """Wait until so many were sent away, and see that nobody else was answered."""
    done: set[Future[Answer]] = set()
    while len(done) < count:
        found, _ = wait(set(asked) - done, timeout=ANSWER_SECONDS, return_when=FIRST_COMPLETED)
        assert found, "nobody is sent away"
        done |= found
    assert [(one.result().status, one.result().headers["retry-after"]) for one in done] == [(429, "5")] * count


def test_mail_servers_that_hang_are_tried_by_two_at_once(make_house: Callable[..., House]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent, ThreadPoolExecutor(MANY) as pool:
        dashboard = served(
            make_house(
                ALERT_EMAIL="ops@example.org",
                SMTP__HOST="127.0.0.1",
                SMTP__PORT=str(silent.getsockname()[1]),
                WEB__CHANNEL_TESTS_PER_MINUTE="100",
            )
        )
        add_users(dashboard, ["admin"])
        caller = Caller(dashboard, make_key(dashboard.house, "admin", "admin"))

        asked = [pool.submit(caller.ask, "POST", "/channels/email/test") for _ in range(MANY)]
        refused(asked, MANY - 2)
        visited = dashboard.ask("/login").status

        assert (visited, sum(one.done() for one in asked)) == (200, MANY - 2)
        silent.close()


def test_a_directory_that_hangs_is_asked_by_three_at_once(make_house: Callable[..., House], tmp_path: Path) -> None:
    (tmp_path / "silent_directory.py").write_text(
        f"def check(name, *_):\n    with open({str(tmp_path / 'answer')!r}):\n        return False\n"
    )
    # Whoever reads it waits for somebody who writes.
    os.mkfifo(tmp_path / "answer")
    dashboard = served(
        make_house(WEB__LOGIN_CHECK="silent_directory:check"), code=f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
    )
    visitors = [Visitor(dashboard) for _ in range(MANY)]
    for visitor in visitors:
        visitor.get("/login")
    with ThreadPoolExecutor(MANY) as pool:
        asked = [
            pool.submit(visitor.post, "/login", login=f"user{place}", password="x")
            for place, visitor in enumerate(visitors)
        ]
        refused(asked, MANY - 3)
        visited = dashboard.ask("/login").status
        are_answered = sum(one.done() for one in asked)
        with (tmp_path / "answer").open("w"):
            wait(asked, timeout=ANSWER_SECONDS)

    assert (visited, are_answered) == (200, MANY - 3)
    assert [one.result().status for one in asked].count(200) == 3
