"""What goes on beside a master, in threads of its own so that it never delays a run: messages, samples, pings.

Threads end with the process. Each opens a connection of its own; a chore that fails is logged and tried again at its
next time, and hides no other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from smart_cron.core.ports.alerts import Bell, SilentBell
from smart_cron.wiring import House


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """Something to be done every so many seconds."""

    name: str
    every_seconds: float
    act: Callable[[], object]


def chores(house: House) -> Sequence[Chore]:
    """Return what this node does beside running tasks."""
    del house
    return ()


@contextmanager
def cared_for(house: House) -> Iterator[Bell]:
    """Do the chores, and tell people, for as long as the master works; yield the bell that it rings."""
    stopping = threading.Event()
    thread = threading.Thread(target=_do_chores, args=(house, stopping), name="chores", daemon=True)
    thread.start()
    try:
        yield SilentBell()
    finally:
        stopping.set()
        thread.join(timeout=5)


def _do_chores(house: House, stopping: threading.Event) -> None:
    todo = chores(house)
    due = {chore.name: 0.0 for chore in todo}
    while not stopping.is_set():
        for chore in todo:
            if time.monotonic() >= due[chore.name]:
                due[chore.name] = time.monotonic() + chore.every_seconds
                _do(house, chore)
        soonest = min(due.values(), default=time.monotonic() + 60)
        stopping.wait(max(0.05, soonest - time.monotonic()))


def _do(house: House, chore: Chore) -> None:
    try:
        chore.act()
    except Exception as error:  # noqa: BLE001 - whatever fails here, tasks go on
        house.log.error("Chore failed", chore=chore.name, reason=f"{type(error).__name__}: {error}")
