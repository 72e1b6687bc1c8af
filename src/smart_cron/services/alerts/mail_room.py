"""The threads that tell people, and the bell that wakes them: one looks and decides, one for each channel sends.

They share no lock with the engine: ringing sets an event. They are daemons, so that a mail server that hangs keeps no
process from ending; what was not sent stays in the outbox.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from smart_cron.core.delivery import PING_CHANNEL
from smart_cron.core.errors import DatabaseError
from smart_cron.core.ports import Clock, Database, Log
from smart_cron.core.ports.outbox import OutboxStore
from smart_cron.services.alerts.courier import Courier
from smart_cron.services.alerts.outage import OutageWatch
from smart_cron.services.alerts.sender import Sender

# Reminders, and what an earlier life has left behind, come by the clock.
LOOK_SECONDS = 15.0
OUTAGE_SECONDS = 3.0
# Failures come in crowds: after a look, the next one waits for more.
PAUSE_SECONDS = 0.5
# Pings go to many servers, of which one may hang.
THREADS: Mapping[str, int] = {PING_CHANNEL: 4}
JOIN_SECONDS = 5.0


class _Desk:
    """One thread of one channel."""

    def __init__(self, sender: Sender, database: Database, log: Log, stopping: threading.Event) -> None:
        self._sender, self._database, self._log, self._stopping = sender, database, log, stopping
        self.work = threading.Event()
        self.thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.work.wait()
            self.work.clear()
            try:
                self._send()
            except Exception as error:  # noqa: BLE001 - the letters stay in the outbox, and the thread goes on
                self._log.error("Letters could not be sent", reason=f"{type(error).__name__}: {error}")

    def _send(self) -> None:
        try:
            self._sender.send_due(keep_on=lambda: not self._stopping.is_set())
        finally:
            self._database.close()


class MailRoom:
    """A `Bell`: whoever rings it has people told. `on_started` hears of starts that are pinged."""

    def __init__(
        self,
        *,
        courier: Courier,
        outage: OutageWatch,
        new_sender: Callable[[str], Sender],
        outbox: OutboxStore,
        database: Database,
        clock: Clock,
        log: Log,
        name: str,
        on_started: Callable[[str, str, str], None] = lambda *_: None,
    ) -> None:
        self._courier, self._outage, self._new_sender, self._outbox = courier, outage, new_sender, outbox
        self._database, self._clock, self._log, self._name = database, clock, log, name
        self._on_started = on_started
        self._rung, self._called, self._stopping = threading.Event(), threading.Event(), threading.Event()
        self._desks: dict[str, list[_Desk]] = {}
        self._lost: tuple[str, datetime] | None = None
        self._back = self._complained = self._released = self._probes = False
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    # the bell ----------------------------------------------------------------------------------------------

    def ring(self) -> None:
        """Say that alerts were raised or resolved."""
        self._called.set()
        self._rung.set()

    def written(self) -> None:
        """Say that another process, or SQL, may have raised some: one look at an index tells."""
        self._rung.set()

    def started(self, url: str, run_id: str, task_name: str) -> None:
        """Say that a run of a task with a `ping_url` starts."""
        self._on_started(url, run_id, task_name)

    def database_lost(self, reason: str) -> None:
        """Say that the database does not serve; it is told without it."""
        self._back = False
        self._lost = (reason, self._clock.now())
        self.ring()

    def database_back(self) -> None:
        """Say that the database serves again."""
        self._back = True
        self.ring()

    # threads -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self, *, seconds: float = JOIN_SECONDS) -> None:
        """End what ends within so many seconds; the rest ends with the process."""
        self._stopping.set()
        self.ring()
        desks = [desk for each in list(self._desks.values()) for desk in each]
        for desk in desks:
            desk.work.set()
        ends_at = time.monotonic() + seconds
        for thread in (self._thread, *(desk.thread for desk in desks)):
            thread.join(max(0.0, ends_at - time.monotonic()))

    def _run(self) -> None:
        patience = 0.0
        while not self._stopping.is_set():
            self._wait(patience)
            if not self._stopping.is_set():
                patience = self._look()
                self._stopping.wait(PAUSE_SECONDS)
        self._database.close()

    def _wait(self, seconds: float) -> None:
        """Wait until somebody rings, until what others wrote is an alert that is untold, or for so long."""
        ends_at = time.monotonic() + seconds
        while not self._called.is_set() and (left := ends_at - time.monotonic()) > 0:
            if self._rung.wait(left):
                self._rung.clear()
                if not self._called.is_set() and self._is_untold():
                    break
        self._called.clear()

    def _is_untold(self) -> bool:
        """Ask only where the last look went well: a database that is in trouble is left in peace."""
        try:
            return self._probes and self._courier.has_untold()
        except Exception:  # noqa: BLE001 - the look that follows says what is wrong
            return True

    def _look(self) -> float:
        """Look once; return after how many seconds to look again if nobody rings."""
        self._probes = False
        try:
            if self._outage_stands():
                return OUTAGE_SECONDS
            self._release()
            self._courier.look()
            due = self._outbox.due_channels()
            for channel in (name for name, after in due.items() if not after):
                self._wake(channel)
        except DatabaseError as error:
            self._complain(f"{error}")
            return LOOK_SECONDS
        except Exception as error:  # noqa: BLE001 - whatever fails here, tasks go on, and the next look may go well
            self._complain(f"{type(error).__name__}: {error}")
            return LOOK_SECONDS
        self._complained, self._probes = False, True
        later = [after.total_seconds() for after in due.values() if after > timedelta()]
        return min([LOOK_SECONDS, *later])

    def _outage_stands(self) -> bool:
        # In the order in which the engine says them: lost, then back.
        lost, self._lost = self._lost, None
        if lost is not None:
            self._outage.lost(lost[0], since=lost[1])
        back, self._back = self._back, False
        if back:
            self._outage.back()
        return self._outage.look()

    def _release(self) -> None:
        """What an earlier process of this node had in hand is ours, once."""
        if not self._released:
            self._outbox.release(self._name)
            self._released = True

    def _complain(self, reason: str) -> None:
        if not self._complained:
            self._log.error("People could not be told", reason=reason)
        self._complained = True

    def _wake(self, channel: str) -> None:
        if channel not in self._desks:
            count = THREADS.get(channel, 1)
            self._desks[channel] = [self._desk(channel) for _ in range(count)]
        for desk in self._desks[channel]:
            desk.work.set()

    def _desk(self, channel: str) -> _Desk:
        return _Desk(self._new_sender(channel), self._database, self._log, self._stopping)
