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
from functools import partial
from pathlib import Path

from smart_cron.core.ports.alerts import Bell
from smart_cron.wiring import House

STOP_SECONDS = 5.0
TRACES_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """Something to be done every so many seconds."""

    name: str
    every_seconds: float
    act: Callable[[], object]


def chores(house: House) -> Sequence[Chore]:
    """Return what this node does beside running tasks."""
    # Late, since nobody but a master needs what they bring along.
    from smart_cron.wiring.metering import new_sampler, trace_export, write_textfile
    from smart_cron.wiring.pinging import scheduler_ping, silence_watch

    todo = [
        Chore(name="node sample", every_seconds=60, act=new_sampler(house).sample),
        Chore(name="ping check", every_seconds=60, act=silence_watch(house).look),
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
    """Do each chore once, for a master that makes one pass."""
    for chore in chores(house):
        _do(house, chore)


@contextmanager
def cared_for(house: House) -> Iterator[Bell]:
    """Do the chores, and tell people, for as long as the master works; yield the bell that it rings."""
    from smart_cron.wiring.courier import mail_room
    from smart_cron.wiring.pinging import start_pings

    stopping = threading.Event()
    thread = threading.Thread(target=_do_chores, args=(house, stopping), name="chores", daemon=True)
    starts = start_pings(house)
    bell = mail_room(house, on_started=starts.started)
    thread.start()
    starts.begin()
    bell.start()
    try:
        yield bell
    finally:
        starts.end()
        # Together within five seconds: a mail server or a mount that hangs keeps nobody here.
        stopping.set()
        ends_at = time.monotonic() + STOP_SECONDS
        bell.stop(seconds=STOP_SECONDS)
        thread.join(max(0.0, ends_at - time.monotonic()))


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
