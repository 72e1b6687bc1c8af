"""What goes on beside a master, in threads of its own so that it never delays a run: messages, samples, pings.

Threads end with the process. Each time a chore has a thread and a connection of its own: one that hangs, on a mount or
a collector that does not answer, or that fails is logged, hides no other, and is tried again once it is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from smart_cron.config import Config
from smart_cron.core.ports.alerts import Bell
from smart_cron.services.patience import Attempt
from smart_cron.wiring import House

STOP_SECONDS = 5.0
TRACES_SECONDS = 10.0
# So long may a chore take before somebody is told that it hangs; and all of them, where a pass waits for them.
HANGING_SECONDS = 60.0
PASS_SECONDS = 5.0
# One after the other, since the metrics file tells of the sample; but so long only is one waited for.
TURN_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """Something to be done every so many seconds."""

    name: str
    every_seconds: float
    act: Callable[[], object]


def chores(house: House) -> Sequence[Chore]:
    """Return what this node does beside running tasks."""
    # Late, since nobody but a master needs what they bring along.
    from smart_cron.services.metrics.totals import reckon_totals
    from smart_cron.wiring.auditing import audit_watch
    from smart_cron.wiring.cleaning import OwnCleanup
    from smart_cron.wiring.metering import new_sampler, trace_export, write_textfile
    from smart_cron.wiring.own_health import OwnHealth
    from smart_cron.wiring.pinging import scheduler_ping, silence_watch
    from smart_cron.wiring.weekly import tell_weekly

    todo = [
        Chore(name="node sample", every_seconds=60, act=new_sampler(house).sample),
        Chore(name="totals", every_seconds=60, act=partial(reckon_totals, house.store.totals)),
        Chore(name="ping check", every_seconds=60, act=silence_watch(house).look),
        Chore(name="audit watch", every_seconds=60, act=audit_watch(house).look),
        Chore(name="own health", every_seconds=60, act=OwnHealth(house).look),
        Chore(name="weekly digest", every_seconds=300, act=partial(tell_weekly, house)),
        Chore(name="own clean-up", every_seconds=3600, act=OwnCleanup(house).tidy),
    ]
    own_ping = scheduler_ping(house)
    if own_ping:
        todo.append(Chore(name="scheduler ping", every_seconds=5, act=own_ping.ping))
    textfile = house.config.metrics.textfile
    if textfile:
        act = partial(write_textfile, house, Path(textfile))
        todo.append(Chore(name="metrics file", every_seconds=60, act=act))
    traces = trace_export(house)
    if traces:
        todo.append(Chore(name="traces", every_seconds=TRACES_SECONDS, act=traces.export))
    return todo


def do_chores_once(house: House) -> None:
    """Do each chore once, for a master that makes one pass; wait for those that hang five seconds in all."""
    errands = [_Errand(house, chore) for chore in chores(house)]
    until = time.monotonic() + PASS_SECONDS
    for errand in errands:
        errand.begin()
    for errand in errands:
        if not errand.wait(until):
            errand.tell_that_it_hangs()


class Caretaker:
    """The threads beside one master, not begun yet. `bell` is what it rings."""

    def __init__(self, house: House) -> None:
        from smart_cron.wiring.courier import Mail
        from smart_cron.wiring.pinging import start_pings

        self._house = house
        self._stopping = threading.Event()
        self._chores = threading.Thread(target=self._do_chores, name="chores", daemon=True)
        self._starts = start_pings(house)
        self._mail = Mail(house, on_started=self._starts.started)

    @property
    def bell(self) -> Bell:
        """What the master rings for alerts."""
        return self._mail.room

    def begin(self) -> None:
        """Do the chores, and tell people, from now on."""
        self._chores.start()
        self._starts.begin()
        self._mail.room.start()

    def adopt(self, config: Config) -> None:
        """Take up other settings: for messages at once, for a chore once it is its turn."""
        from smart_cron.wiring.pinging import start_caller

        self._house = house = replace(self._house, config=config)
        self._mail.adopt(house)
        self._starts.adopt(start_caller(config))

    def end(self) -> None:
        """End what ends within five seconds in all: a mail server or a mount that hangs keeps nobody here."""
        self._starts.end()
        self._stopping.set()
        ends_at = time.monotonic() + STOP_SECONDS
        self._mail.room.stop(seconds=STOP_SECONDS)
        self._chores.join(max(0.0, ends_at - time.monotonic()))

    def _do_chores(self) -> None:
        do_chores(lambda: self._house, self._stopping)


@contextmanager
def cared_for(house: House) -> Iterator[Caretaker]:
    """Have somebody take care for as long as the master works."""
    caretaker = Caretaker(house)
    caretaker.begin()
    try:
        yield caretaker
    finally:
        caretaker.end()


def do_chores(house_of: Callable[[], House], stopping: threading.Event) -> None:
    """Do each chore when it is its turn until *stopping* is set; another house has chores of its own."""
    house, errands = None, list[_Errand]()
    while not stopping.is_set():
        if house is not house_of():
            house = house_of()
            errands = [_Errand(house, chore) for chore in chores(house)]
        for errand in errands:
            errand.begin_if_due()
        stopping.wait(max(0.05, min(errand.due_at for errand in errands) - time.monotonic()))
    until = time.monotonic() + STOP_SECONDS
    for errand in errands:
        errand.wait(until)


@dataclass(slots=True)
class _Errand:
    """A chore that is done again and again, never twice at a time."""

    house: House
    chore: Chore
    due_at: float = 0.0
    _attempt: Attempt[None] | None = None
    _is_told: bool = False

    def begin_if_due(self) -> None:
        """Begin it where it is time; where it still hangs, say so once instead."""
        now = time.monotonic()
        if now < self.due_at:
            return
        self.due_at = now + self.chore.every_seconds
        if self._attempt is None or self._attempt.is_over:
            self.begin()
        elif self._attempt.age_seconds >= HANGING_SECONDS:
            self.tell_that_it_hangs()

    def begin(self) -> None:
        """Begin it in a thread of its own, and wait a moment: most are over then."""
        self._is_told = False
        try:
            self._attempt = Attempt(self._do, name=f"chore {self.chore.name}")
        except RuntimeError as error:  # No room for one more thread: perhaps the next time.
            self.house.log.error("Chore failed", chore=self.chore.name, reason=str(error))
            return
        self._attempt.wait(time.monotonic() + TURN_SECONDS)

    def wait(self, until: float) -> bool:
        """Wait until this instant of the monotonic clock at most; return whether it is over."""
        return self._attempt is None or self._attempt.wait(until)

    def tell_that_it_hangs(self) -> None:
        """Log it, once for each time that it hangs."""
        if not self._is_told:
            self._is_told = True
            self.house.log.error("Chore hangs", chore=self.chore.name)

    def _do(self) -> None:
        try:
            self.chore.act()
        except Exception as error:  # noqa: BLE001 - whatever fails here, tasks go on
            self.house.log.error("Chore failed", chore=self.chore.name, reason=f"{type(error).__name__}: {error}")
        finally:
            self.house.store.database.close()
