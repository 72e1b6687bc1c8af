"""`smart-cron ping` as a person calls it, and pings of a real master's tasks, start, end and its own."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest
from tests.pings.conftest import Asked, Sink, sink
from tests.web.conftest import House, make_house

__all__ = ["make_house", "sink"]

pytestmark = pytest.mark.slow

HERE = '["127.0.0.0/8"]'


def listed(house: House) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(house.sure("ping", "list", "--json"))
    return found


def test_a_check_is_added_shown_changed_and_removed(make_house: Callable[..., House]) -> None:
    house = make_house(ALERTS__DASHBOARD_URL="https://cron.example/modules")
    printed = house.sure("ping", "add", "backup", "--every", "1d", "--longest", "2h", "--alert-email", "a@b.example")
    address = re.search(rb"https://cron\.example/modules/ping/([A-Za-z0-9_-]{27})\n", printed)
    assert address, printed
    assert b"curl -fsS" in printed

    line = next(line for line in printed.decode().splitlines() if line.startswith("0 2 * * *  curl "))
    assert line.count(address[1].decode()) == 2
    (check,) = listed(house)
    assert (check["check_name"], check["state"], check["enabled"]) == ("backup", "new", True)
    assert (check["period_seconds"], check["grace_seconds"], check["longest_run_seconds"]) == (86_400, 3600, 7200)
    shown = house.sure("ping", "show", "backup")
    assert b"1 d" in shown
    assert address[1] not in shown

    house.sure("ping", "edit", "backup", "--grace", "5m", "--longest", "none", "--alert-email", "", "--paused")
    (check,) = listed(house)
    assert (check["grace_seconds"], check["longest_run_seconds"], check["alert_email"]) == (300, None, None)
    assert check["enabled"] is False

    house.sure("ping", "remove", "backup", "--yes")
    assert listed(house) == []
    assert b"There is no check" in house.sure("ping", "list")


def test_where_nothing_listens_that_is_said(make_house: Callable[..., House]) -> None:
    # Held all the time, so that nobody else comes to listen there.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        house = make_house(WEB__PORT=str(listener.getsockname()[1]))
        said = house.sure("ping", "add", "x", "--every", "1h", "--grace", "0")
        assert b"Nothing listens there now: smart-cron dashboard\n" in said
        listener.listen()
        assert b"Nothing listens" not in house.sure("ping", "add", "y", "--every", "1h")

    assert re.search(rb"Grace +none\n", house.sure("ping", "show", "x"))


def test_a_dry_run_changes_nothing(make_house: Callable[..., House]) -> None:
    house = make_house()
    house.sure("ping", "add", "x", "--every", "1h", "--dry-run")
    assert listed(house) == []
    house.sure("ping", "add", "x", "--every", "1h")
    before = listed(house)

    for words in (("edit", "x", "--grace", "9m"), ("rotate", "x"), ("remove", "x")):
        assert b"Would" in house.sure("ping", *words, "--dry-run")

    assert listed(house) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "a b", "--every", "1h"), "the name 'a b' must be 1 to 90 of the letters"),
        (("add", "x", "--every", "1s"), "--every must be between 10 s and"),
        (("add", "x", "--every", "1h", "--alert-email", "a@b\nBcc: c@d"), "is no e-mail address"),
        (("show", "nobody"), "there is no ping check 'nobody'. 'smart-cron ping list' shows them all."),
        (("remove", "nobody", "--yes"), "there is no ping check 'nobody'"),
    ],
)
def test_bad_input_gets_a_sentence(make_house: Callable[..., House], words: tuple[str, ...], said: str) -> None:
    done = make_house().call("ping", *words)

    assert done.returncode == 1
    assert said in done.stderr.decode()


def next_of(sink: Sink, wanted: str) -> Asked:
    """Return the next request whose path has this in it; others are of the scheduler's own."""
    while wanted not in (asked := sink.next()).path:
        continue
    return asked


def test_a_masters_tasks_and_the_master_itself_are_heard_of_elsewhere(
    make_house: Callable[..., House], sink: Sink
) -> None:
    house = make_house(WEBHOOK_ALLOWED_NETWORKS=HERE, PING_URL=f"http://127.0.0.1:{sink.port}/scheduler")
    fifo = house.home / "go"
    house.add("job", f"mkfifo {fifo}; cat {fifo} >/dev/null; echo disk full; exit 3", "--ping-url", sink.url)
    house.start_master()
    assert next_of(sink, "/scheduler").path == "/scheduler"
    house.sure("task", "run", "job")

    started = next_of(sink, "/ping/abc")
    fifo_open(fifo)
    ended = next_of(sink, "/ping/abc")

    assert re.fullmatch(r"/ping/abc/start\?rid=[0-9a-f-]{36}", started.path)
    assert ended.path == started.path.replace("/start", "/3")
    assert ended.body.rstrip().endswith(b"disk full")


def fifo_open(path: Any) -> None:
    """Let the task go on."""
    from tests.process.cli import wait_until

    wait_until(path.exists, "the task's fifo")
    path.write_text("go\n")
