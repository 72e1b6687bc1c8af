"""Threads that answer for coroutines, and the one answer that many wait for."""

from __future__ import annotations

import asyncio
import threading

import pytest

from smart_cron.core.errors import DatabaseUnavailableError
from smart_cron.faces.web import pulse
from smart_cron.faces.web.desk import Desk, DeskBusyError
from smart_cron.faces.web.pulse import Answer

LONG = 60.0


def test_an_answer_or_its_fault_comes_back_to_who_asked() -> None:
    async def ask() -> tuple[str, str]:
        desk = Desk("t", clerks=1, most_waiting=4)
        name = await desk.ask(lambda: threading.current_thread().name, within_seconds=LONG)
        try:
            await desk.ask(refuse, within_seconds=LONG)
        except DatabaseUnavailableError as error:
            return name, error.message
        raise AssertionError("the fault got lost")

    assert asyncio.run(ask()) == ("t-0", "gone")


def refuse() -> bool:
    raise DatabaseUnavailableError("gone")


def test_who_waits_too_long_or_in_too_long_a_row_is_sent_away() -> None:
    release, begun = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        release.wait(LONG)

    async def ask() -> list[str]:
        desk = Desk("t", clerks=1, most_waiting=1)
        first = asyncio.create_task(desk.ask(hang, within_seconds=LONG))
        await asyncio.to_thread(begun.wait, LONG)
        second = asyncio.create_task(desk.ask(lambda: None, within_seconds=0.01))
        await asyncio.sleep(0)
        found = []
        with pytest.raises(DeskBusyError):
            await desk.ask(lambda: None, within_seconds=LONG)
        found.append("busy")
        with pytest.raises(TimeoutError):
            await second
        found.append("too long")
        release.set()
        await first
        return found

    assert asyncio.run(ask()) == ["busy", "too long"]


def test_a_question_that_nobody_waits_for_any_more_is_not_asked() -> None:
    release, asked = threading.Event(), []

    async def ask() -> None:
        desk = Desk("t", clerks=1, most_waiting=5)
        first = asyncio.create_task(desk.ask(lambda: release.wait(LONG), within_seconds=LONG))
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await desk.ask(lambda: asked.append("late"), within_seconds=0.01)
        release.set()
        await first
        await desk.ask(lambda: asked.append("last"), within_seconds=LONG)

    asyncio.run(ask())

    assert asked == ["last"]


def test_a_flood_of_questions_is_one_question() -> None:
    asked: list[int] = []

    def look() -> bool:
        asked.append(1)
        return True

    async def ask() -> list[bool]:
        answer = Answer(look, Desk("t", clerks=2, most_waiting=2))
        return await asyncio.gather(*(answer.get() for _ in range(500)))

    assert asyncio.run(ask()) == [True] * 500
    assert len(asked) == 1


def test_an_answer_that_comes_too_late_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "WITHIN_SECONDS", 0.01)
    release = threading.Event()

    async def ask() -> bool:
        return await Answer(lambda: release.wait(LONG), Desk("t", clerks=1, most_waiting=1)).get()

    assert asyncio.run(ask()) is False
    release.set()


def test_a_refusal_is_no() -> None:
    async def ask() -> bool:
        return await Answer(refuse, Desk("t", clerks=1, most_waiting=1)).get()

    assert asyncio.run(ask()) is False
