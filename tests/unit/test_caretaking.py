"""What goes on beside a master: one thing that hangs hides no other and holds nobody up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engine.scripted import RecordingLog

from smart_cron.config import load_config
from smart_cron.wiring import House, caretaking, open_house, prepare
from smart_cron.wiring.caretaking import Chore, do_chores_once

SECONDS = 60.0


class Bench:
    """A house whose chores are these: one that hangs until it is thawed, and one that counts."""

    def __init__(self, house: House) -> None:
        self.log = RecordingLog()
        self.house = replace(house, log=self.log)
        self.thawed, self.done = threading.Event(), threading.Semaphore(0)
        self.began = 0

    def chores(self, _: House) -> list[Chore]:
        return [
            Chore(name="frozen", every_seconds=0.01, act=self._hang),
            Chore(name="broken", every_seconds=0.01, act=self._fail),
            Chore(name="well", every_seconds=0.01, act=self.done.release),
        ]

    def told(self, sentence: str, chore: str) -> int:
        return sum(event == sentence and fields["chore"] == chore for _, event, fields in self.log.events)

    def _hang(self) -> None:
        self.began += 1
        self.thawed.wait(SECONDS)

    def _fail(self) -> None:
        raise RuntimeError("no")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    config = load_config({"SMART_CRON_HOME": str(tmp_path / "h")})
    prepare(config)
    house = open_house(config)
    bench = Bench(house)
    monkeypatch.setattr(caretaking, "chores", bench.chores)
    monkeypatch.setattr(caretaking, "TURN_SECONDS", 0.01)
    yield bench
    bench.thawed.set()
    house.close()


def beside(bench: Bench) -> tuple[threading.Event, threading.Thread]:
    stopping = threading.Event()
    thread = threading.Thread(target=caretaking.do_chores, args=(lambda: bench.house, stopping), daemon=True)
    thread.start()
    return stopping, thread


@pytest.mark.slow
def test_a_chore_that_hangs_silences_no_other_and_is_told_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caretaking, "HANGING_SECONDS", 0.0)
    stopping, thread = beside(bench)

    for _ in range(20):
        assert bench.done.acquire(timeout=SECONDS)

    began = bench.began
    stopping.set()
    bench.thawed.set()
    thread.join(SECONDS)
    assert not thread.is_alive()
    assert bench.told("Chore hangs", "frozen") == 1
    assert bench.told("Chore failed", "broken") > 0
    # It was not begun again while it hung.
    assert began == 1


def test_a_pass_does_not_wait_for_what_hangs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caretaking, "PASS_SECONDS", 0.05)

    do_chores_once(bench.house)

    assert not bench.thawed.is_set()
    assert bench.told("Chore hangs", "frozen") == 1
    assert bench.done.acquire(timeout=SECONDS)


def test_the_end_does_not_wait_for_what_hangs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caretaking, "STOP_SECONDS", 0.05)
    stopping, thread = beside(bench)
    assert bench.done.acquire(timeout=SECONDS)

    stopping.set()
    thread.join(SECONDS)

    assert not thread.is_alive()
    assert not bench.thawed.is_set()
