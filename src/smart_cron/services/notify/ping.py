"""Signals of runs for a dead-man's switch elsewhere, as Healthchecks takes them.

Ends come from the outbox and are sent at least once; a start is best effort, from memory. A start that arrived after
its end would look like a run that never ended, so an end calls back the start of its run, or waits until that is over.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from smart_cron.core.message import DeliveryError, Message
from smart_cron.core.ports import Log
from smart_cron.services.notify.web_call import WebCaller
from smart_cron.services.pings.addresses import FAIL, START, ping_address

BODY_BYTES = 10_000
# What waits longer than so many starts would be no news any more.
MOST_STARTS = 1000
START_SECONDS = 5.0


class PingChannel:
    """Sends one signal. The message's facts say `signal`, `exit_code` and `run_id`, its text the last lines."""

    def __init__(self, caller: WebCaller, *, starts: Starts | None = None) -> None:
        self._caller, self._starts = caller, starts or STARTS

    def send(self, message: Message, *, target: str) -> str:
        """Call the address for the signal and return the status. Raise DeliveryError."""
        facts = message.facts
        run_id, exit_code = facts.get("run_id"), facts.get("exit_code")
        run = run_id if isinstance(run_id, str) else None
        if run:
            self._starts.withdraw(run)
        code = exit_code if isinstance(exit_code, int) else None
        url = ping_address(target, str(facts.get("signal", FAIL)), exit_code=code, run_id=run)
        body = message.text.encode("utf-8", "replace")[-BODY_BYTES:]
        return self._caller.call(url, body=body, headers={"Content-Type": "text/plain; charset=utf-8"})

    def close(self) -> None:
        """Nothing is held between pings."""


class Starts:
    """Starts that wait for being sent, by run id; each goes before its end or not at all."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._waiting: OrderedDict[str, str] = OrderedDict()
        self._on_its_way: str | None = None
        self._is_over = False

    def add(self, run_id: str, url: str) -> None:
        """Put a start in; returns at once. The oldest goes where there are too many."""
        with self._lock:
            self._waiting[run_id] = url
            if len(self._waiting) > MOST_STARTS:
                self._waiting.popitem(last=False)
            self._lock.notify_all()

    def withdraw(self, run_id: str) -> None:
        """Let the start of this run not be sent any more; one that is on its way is waited for."""
        with self._lock:
            self._waiting.pop(run_id, None)
            self._lock.wait_for(lambda: self._on_its_way != run_id, timeout=START_SECONDS + 1)

    def begin(self) -> None:
        """Let `send_each` wait for starts, also after an `end`."""
        with self._lock:
            self._is_over = False

    def end(self) -> None:
        """Let `send_each` return."""
        with self._lock:
            self._is_over = True
            self._lock.notify_all()

    def send_each(self, call: Callable[[str, str], object]) -> None:
        """Hand each start to *call* as it comes (its address and its run's id), until `end`."""
        while (found := self._next()) is not None:
            run_id, url = found
            try:
                call(url, run_id)
            finally:
                self._arrived()

    def _next(self) -> tuple[str, str] | None:
        with self._lock:
            self._lock.wait_for(lambda: self._waiting or self._is_over)
            if self._is_over:
                return None
            self._on_its_way, url = self._waiting.popitem(last=False)
            return self._on_its_way, url

    def _arrived(self) -> None:
        with self._lock:
            self._on_its_way = None
            self._lock.notify_all()


# One for the process: the engine's bell puts starts in, the sender of ends calls them back.
STARTS = Starts()


class StartPings:
    """Sends the starts from a thread of its own. What is not taken is logged once, and no second try is made."""

    def __init__(self, caller: WebCaller, log: Log, *, starts: Starts = STARTS) -> None:
        self._caller, self._log, self._starts, self._was_taken = caller, log, starts, True
        self._thread = threading.Thread(target=starts.send_each, args=(self._call,), name="start-pings", daemon=True)

    def begin(self) -> None:
        """Send from now on."""
        self._starts.begin()
        self._thread.start()

    def adopt(self, caller: WebCaller) -> None:
        """Call by this one from the next start on; from any thread."""
        self._caller = caller

    def started(self, url: str, run_id: str, _task_name: str = "") -> None:
        """Say that a run has started, as the engine's bell does; returns at once."""
        self._starts.add(run_id, url)

    def end(self) -> None:
        """Send no more."""
        self._starts.end()

    def _call(self, url: str, run_id: str) -> None:
        try:
            address = ping_address(url, START, run_id=run_id)
            self._caller.call(address, headers={"Content-Type": "text/plain; charset=utf-8"})
        except DeliveryError as error:
            self._not_taken(str(error))
        except Exception as error:  # noqa: BLE001 - one address that cannot be called ends no other start
            self._not_taken(f"{type(error).__name__}: {error}")
        else:
            self._was_taken = True

    def _not_taken(self, reason: str) -> None:
        if self._was_taken:
            self._log.warning("Ping of a start was not taken", reason=reason)
        self._was_taken = False
