"""Signals for a dead-man's switch elsewhere: where they go, in which order, and what bounds them."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.pings.conftest import WAIT_SECONDS, Sink

from smart_cron.core.alert import Severity
from smart_cron.core.errors import DatabaseUnavailableError
from smart_cron.core.message import DeliveryError, Message, MessageKind
from smart_cron.core.node import NodeRecord
from smart_cron.services.notify.guard import Guard
from smart_cron.services.notify.ping import PingChannel, StartPings, Starts
from smart_cron.services.notify.web_call import WebCaller
from smart_cron.services.pings.addresses import ping_address
from smart_cron.services.pings.own import SchedulerPing

HERE = Guard(networks=["127.0.0.0/8"])
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Lines:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def debug(self, event: str, **fields: object) -> None:
        self.lines.append(f"{event} {fields}")

    info = warning = error = critical = debug

    def flush(self) -> None:
        """Nothing is held back."""


def message(signal: str, *, exit_code: int | None = None, run_id: str | None = "r-1", text: str = "") -> Message:
    facts = {"signal": signal, "exit_code": exit_code, "run_id": run_id, "task": "t"}
    return Message(kind=MessageKind.PING, severity=Severity.INFO, subject="ping", text=text, html="", facts=facts)


def channel(**options: Any) -> PingChannel:
    return PingChannel(WebCaller(HERE, total_seconds=WAIT_SECONDS), starts=options.pop("starts", Starts()))


@pytest.mark.parametrize(
    ("signal", "code", "ending"),
    [("start", None, "/start"), ("success", 0, ""), ("fail", 137, "/fail"), ("exit", 3, "/3"), ("exit", 999, "/fail")],
)
def test_signals_go_where_healthchecks_takes_them(signal: str, code: int | None, ending: str) -> None:
    url = "https://hc.example/ping/abc/"

    assert ping_address(url, signal, exit_code=code, run_id="7") == f"https://hc.example/ping/abc{ending}?rid=7"


def test_a_query_that_is_there_is_kept() -> None:
    assert ping_address("https://x/p?create=1#f", "success", run_id="7") == "https://x/p?create=1&rid=7"
    assert ping_address("https://x/p", "success") == "https://x/p"


def test_an_end_goes_out_with_the_run_and_its_last_lines(sink: Sink) -> None:
    answer = channel().send(message("exit", exit_code=3, text="x" * 20_000 + "disk full"), target=sink.url)

    asked = sink.next()
    assert answer == "HTTP 200 OK"
    assert (asked.method, asked.path) == ("POST", "/ping/abc/3?rid=r-1")
    assert len(asked.body) == 10_000
    assert asked.body.endswith(b"disk full")


def test_a_ping_is_bound_by_the_same_guard_as_every_message(sink: Sink) -> None:
    strict = PingChannel(WebCaller(Guard(hosts=["hc.example"])), starts=Starts())

    with pytest.raises(DeliveryError) as caught:
        strict.send(message("success"), target=sink.url)

    assert "is not allowed" in str(caught.value)
    assert sink.asked.empty()


def test_what_the_other_side_says_decides_whether_it_is_tried_again(sink: Sink) -> None:
    for status, permanent in ((500, False), (404, True), (301, True), (429, False)):
        sink.status = status
        with pytest.raises(DeliveryError) as caught:
            channel().send(message("success"), target=sink.url)
        assert caught.value.permanent is permanent, status


@contextmanager
def sending(starts: Starts, log: Lines) -> Iterator[StartPings]:
    pings = StartPings(WebCaller(HERE, total_seconds=WAIT_SECONDS), log, starts=starts)
    pings.begin()
    try:
        yield pings
    finally:
        pings.end()


def test_a_start_is_sent_while_its_run_goes_on(sink: Sink) -> None:
    with sending(Starts(), Lines()) as pings:
        pings.started(sink.url, "r-1")

        assert sink.next().path == "/ping/abc/start?rid=r-1"


def test_a_start_that_was_not_sent_yet_goes_with_its_end(sink: Sink) -> None:
    starts = Starts()
    sink.gate.clear()
    with sending(starts, Lines()) as pings:
        pings.started(sink.url, "first")
        assert sink.next().path == "/ping/abc/start?rid=first"
        pings.started(sink.url, "second")
        sink.gate.set()
        starts.withdraw("second")

        channel(starts=starts).send(message("success", run_id="second"), target=sink.url)

        paths = [sink.next().path]
        # Either the start went out before it was called back, or never: not after its end.
        if paths[0].startswith("/ping/abc/start"):
            paths.append(sink.next().path)
        assert paths[-1] == "/ping/abc?rid=second"
        assert sink.asked.empty()


def test_an_end_waits_for_its_start_that_is_on_its_way(sink: Sink) -> None:
    starts = Starts()
    sink.gate.clear()
    with sending(starts, Lines()) as pings:
        pings.started(sink.url, "r-1")
        assert sink.next().path == "/ping/abc/start?rid=r-1"
        ended = threading.Thread(
            target=channel(starts=starts).send, args=(message("success"),), kwargs={"target": sink.url}
        )
        ended.start()

        sink.gate.set()
        ended.join(WAIT_SECONDS)

        assert sink.next().path == "/ping/abc?rid=r-1"


def test_starts_that_nobody_takes_are_told_once_and_hold_up_nobody(sink: Sink) -> None:
    log = Lines()
    sink.status = 500
    with sending(Starts(), log) as pings:
        for number in range(3):
            pings.started(sink.url, f"r-{number}")
        for _ in range(3):
            sink.next()
        sink.status = 200
        pings.started(sink.url, "last")
        sink.next()

    assert len([line for line in log.lines if "was not taken" in line]) == 1


class Stumbling(WebCaller):
    """Fails at the first call, as nobody expects it."""

    stumbled = False

    def call(self, url: str, **details: Any) -> str:
        if not self.stumbled:
            self.stumbled = True
            raise RuntimeError("a bug")
        return super().call(url, **details)


def test_a_start_that_fails_as_nobody_expects_ends_no_other(sink: Sink) -> None:
    log = Lines()
    pings = StartPings(Stumbling(HERE, total_seconds=WAIT_SECONDS), log, starts=Starts())
    pings.begin()
    try:
        pings.started(sink.url, "r-1")
        pings.started(sink.url, "r-2")

        assert sink.next().path == "/ping/abc/start?rid=r-2"
    finally:
        pings.end()
    assert [line for line in log.lines if "RuntimeError: a bug" in line]


class Beats:
    """A database and its nodes, as far as a sign of life asks for them."""

    def __init__(self, ago: timedelta, *, is_away: bool = False) -> None:
        self._ago, self._is_away = ago, is_away

    def now(self) -> datetime:
        if self._is_away:
            raise DatabaseUnavailableError("gone")
        return NOON

    def nodes(self) -> list[NodeRecord]:
        return [
            NodeRecord(
                name="here",
                identity="i",
                boot_id="b",
                host="h",
                version="1",
                master_pid=1,
                max_concurrent=1,
                tags=(),
                heartbeats=1,
                heartbeat_at=NOON - self._ago,
                started_at=NOON - timedelta(days=1),
                stopped_at=None,
                forgotten_at=None,
                held=0,
            )
        ]


def own(
    beats: Any, call: Callable[[], str], log: Lines, *, clock: Callable[[], float] = time.monotonic
) -> SchedulerPing:
    return SchedulerPing(
        node="here",
        silence=timedelta(seconds=30),
        database=beats,
        nodes=beats,
        call=call,
        log=log,
        clock=clock,
    )


def test_a_scheduler_that_beats_gives_a_sign_of_life(sink: Sink) -> None:
    caller = WebCaller(HERE, total_seconds=WAIT_SECONDS)

    assert own(Beats(timedelta(seconds=5)), lambda: caller.call(sink.url), Lines()).ping()
    assert sink.next().path == "/ping/abc"


@pytest.mark.parametrize(
    "beats", [Beats(timedelta(minutes=5)), Beats(timedelta(0), is_away=True)], ids=["stands still", "no database"]
)
def test_a_scheduler_that_stands_still_or_has_no_database_keeps_silent(beats: Beats) -> None:
    def call() -> str:
        raise AssertionError("it said that it lives")

    assert not own(beats, call, Lines()).ping()


def test_a_sign_of_life_that_nobody_takes_is_told_once() -> None:
    log = Lines()

    def refuse() -> str:
        raise DeliveryError("no", permanent=True)

    minutes = itertools.count(0.0, 60.0)
    scheduler = own(Beats(timedelta(0)), refuse, log, clock=lambda: next(minutes))
    for _ in range(3):
        assert not scheduler.ping()

    assert len(log.lines) == 1


def test_a_sign_of_life_is_given_once_a_minute_however_often_it_is_asked_for() -> None:
    calls, now = [], [0.0]

    def call() -> str:
        calls.append(now[0])
        return "HTTP 200 OK"

    scheduler = own(Beats(timedelta(0)), call, Lines(), clock=lambda: now[0])
    for second in range(0, 180, 5):
        now[0] = float(second)
        scheduler.ping()

    assert calls == [0.0, 60.0, 120.0]
