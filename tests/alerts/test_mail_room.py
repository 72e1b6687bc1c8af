"""The threads that tell people outlive whatever fails in them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from tests.alerts.silent_log import SilentLog

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


def test_threads_go_on_after_any_failure() -> None:
    parts: Any = Failing("release for one", "sender for email", "send", "close")
    room = MailRoom(
        courier=parts,
        outage=parts,
        new_sender=parts.new_sender,
        outbox=parts,
        database=parts,
        clock=parts,
        log=SilentLog(),
        name="one",
    )
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
