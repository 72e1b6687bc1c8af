"""The threads that tell people outlive whatever fails in them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
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
        self._fail("probe")
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
    """Nobody rings; an alert that somebody else raised is found by whoever asks for it, unless looks fail."""

    def __init__(self, *faults: str) -> None:
        super().__init__(*faults)
        self.looks, self.asked = threading.Semaphore(0), 0

    def look(self) -> bool:
        self.looks.release()
        if "looks" in self.faults:
            raise RuntimeError("looks")
        return False

    def has_untold(self) -> bool:
        self.asked += 1
        return self.asked == 2


def test_what_somebody_else_raised_is_found_without_a_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_room, "PROBE_SECONDS", 0.01)
    monkeypatch.setattr(mail_room, "PAUSE_SECONDS", 0.01)
    parts = Quiet()
    room = room_of(parts)
    room.start()
    try:
        # Courier and outage are looked at: two each time.
        assert all(parts.looks.acquire(timeout=WAIT_SECONDS) for _ in range(4))
    finally:
        room.stop()


def test_a_database_in_trouble_is_not_asked_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_room, "PROBE_SECONDS", 0.001)
    monkeypatch.setattr(mail_room, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(mail_room, "LOOK_SECONDS", 0.05)
    parts = Quiet("looks")
    room = room_of(parts)
    room.start()
    try:
        assert all(parts.looks.acquire(timeout=WAIT_SECONDS) for _ in range(3))
        assert parts.asked == 0
    finally:
        room.stop()


def test_threads_go_on_after_any_failure() -> None:
    parts: Any = Failing("release for one", "sender for email", "send", "close", "probe")
    room = room_of(parts)
    room.start()
    try:
        for _ in range(int(WAIT_SECONDS)):
            room.ring()
            if parts.sent.wait(1):
                break
        assert parts.sent.is_set()
        assert parts.faults == set()
    finally:
        room.stop()
