"""A deadline for every answer of PostgreSQL: libpq has none, and a frozen server accepts and never answers."""

from __future__ import annotations

import select
from collections.abc import Generator
from typing import Any

import psycopg
from psycopg.waiting import Ready, Wait


def give_deadline(connection: Any, *, seconds: float) -> None:
    """Make each wait of this psycopg connection for its server end after *seconds* with an OperationalError."""

    def wait(generator: Generator[Wait, Ready, Any], *_: float, **__: float) -> Any:
        return _wait(connection, generator, seconds)

    connection.wait = wait


def _wait(connection: Any, generator: Generator[Wait, Ready, Any], seconds: float) -> Any:
    try:
        wanted = next(generator)
        while True:
            ready = _poll(connection.pgconn.socket, wanted, seconds)
            if not ready:
                connection.pgconn.finish()
                raise psycopg.OperationalError(f"the server did not answer within {seconds:g} s")
            wanted = generator.send(ready)
    except StopIteration as end:
        return end.value


def _poll(descriptor: int, wanted: Wait, seconds: float) -> Ready | None:
    poll = select.poll()
    poll.register(descriptor, (select.POLLIN if wanted & Wait.R else 0) | (select.POLLOUT if wanted & Wait.W else 0))
    events = poll.poll(seconds * 1000)
    if not events:
        return None
    broken = select.POLLERR | select.POLLHUP
    readable = Ready.R if events[0][1] & (select.POLLIN | broken) and wanted & Wait.R else 0
    writable = Ready.W if events[0][1] & (select.POLLOUT | broken) and wanted & Wait.W else 0
    return Ready(readable | writable)
