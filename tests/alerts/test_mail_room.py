"""The threads that tell people outlive whatever fails in them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from tests.alerts.silent_log import SilentLog

from smart_cron.services.alerts import mail_room
from smart_cron.services.alerts.mail_room import MailRoom

WAIT_SECONDS = 60.0


class Failing:
    """Courier, outage, outbox, database and sender in one. What is in `faults` is raised at the first call of it."""

    def __init__(self, *faults: str) -> None:
        self.faults = set(faults)
        self.sent = threading.Event()

    def _fail(self, name: str) -> None:
        if name in self.faults:
            self.faults.remove(name)
            raise RuntimeError(name)

    def look(self) -> bool:
        return False

    def has_untold(self) -> bool:
        return False

    def release(self, by: str) -> int:
        self._fail(f"release for {by}")
        return 0

    def due_channels(self) -> Mapping[str, timedelta]:
        return {"email": timedelta()}

    def new_sender(self, channel: str) -> Any:
        self._fail(f"sender for {channel}")
        return self

    def send_due(self, *, keep_on: Callable[[], bool]) -> int:
        assert keep_on()
        self._fail("send")
        self.sent.set()
        return 0

    def close(self) -> None:
        self._fail("close")


def room_of(parts: Any) -> MailRoom:
    return MailRoom(
        courier=parts,
        outage=parts,
        new_sender=parts.new_sender,
        outbox=parts,
        database=parts,
        clock=parts,
        log=SilentLog(),
        name="one",
    )


class Quiet(Failing):
    """Nobody rings. Of what others wrote, every second thing is an alert; looks fail if they are said to."""

    def __init__(self, *faults: str) -> None:
        super().__init__(*faults)
        self.looks, self.asked = threading.Semaphore(0), threading.Semaphore(0)
        self.is_alert = False

    def look(self) -> bool:
        self.looks.release()
        if "looks" in self.faults:
            raise RuntimeError("looks")
        return False

    def has_untold(self) -> bool:
        found, self.is_alert = self.is_alert, True
        self.asked.release()
        return found

    def looked(self) -> bool:
        """Wait for a look: at the outage, and by the courier."""
        return self.looks.acquire(timeout=WAIT_SECONDS) and self.looks.acquire(timeout=WAIT_SECONDS)


@contextmanager
def at_work(parts: Quiet, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailRoom]:
    monkeypatch.setattr(mail_room, "PAUSE_SECONDS", 0.01)
    room = room_of(parts)
    room.start()
    try:
        yield room
    finally:
        room.stop()


def test_what_somebody_else_raised_is_looked_for_and_what_is_no_alert_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = Quiet()
    with at_work(parts, monkeypatch) as room:
        assert parts.looked()
        room.written()
        assert parts.asked.acquire(timeout=WAIT_SECONDS)
        assert not parts.looks.acquire(blocking=False)

        room.written()
        assert parts.looked()


def test_a_bell_is_never_taken_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = Quiet()
    with at_work(parts, monkeypatch) as room:
        for _ in range(20):
            assert parts.looked()
            room.ring()
            room.written()


def test_a_database_in_trouble_is_not_asked_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_room, "LOOK_SECONDS", 0.05)
    parts = Quiet("looks")
    with at_work(parts, monkeypatch) as room:
        for _ in range(3):
            assert parts.looks.acquire(timeout=WAIT_SECONDS)
            room.written()

        assert not parts.asked.acquire(blocking=False)


def test_threads_go_on_after_any_failure() -> None:
    parts: Any = Failing("release for one", "sender for email", "send", "close")
    room = room_of(parts)
    room.start()
    try:
        for _ in range(int(WAIT_SECONDS)):
            room.written()
            room.ring()
            if parts.sent.wait(1):
                break
        assert parts.sent.is_set()
        assert parts.faults == set()
    finally:
        room.stop()
