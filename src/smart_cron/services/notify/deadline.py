"""One bound for everything that a delivery does: a peer that drips a byte at a time resets every shorter timeout."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from smart_cron.services import patience

T = TypeVar("T")


class Deadline:
    """So many seconds from now on a clock that does not step."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, never below a hundredth: 0 would mean no timeout to a socket."""
        return max(0.01, self._end - time.monotonic())

    @property
    def has_passed(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._end


@contextmanager
def hung_up_at(deadline: Deadline, find: Callable[[], socket.socket | None]) -> Iterator[None]:
    """Shut down the socket that *find* returns once the time is up, so that whoever waits on it is set free."""
    over = threading.Event()

    def watch() -> None:
        if over.wait(deadline.left):
            return
        # Once more after each pause: the socket may just have been wrapped or opened anew.
        while not over.wait(0.05):
            _shut_down(find())

    watcher = threading.Thread(target=watch, name="delivery-deadline", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join(timeout=1)


def _shut_down(connection: socket.socket | None) -> None:
    if connection is not None:
        with suppress(OSError, ValueError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


def shake_hands(
    plain: socket.socket, context: ssl.SSLContext, host: str, *, keep: Callable[[ssl.SSLSocket], None]
) -> None:
    """Begin TLS for *host*. *keep* gets the new socket before the handshake, so that this too can be hung up."""
    encrypted = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    keep(encrypted)
    encrypted.do_handshake()


def within(deadline: Deadline, act: Callable[[], T]) -> T:
    """Return what *act* returns, or raise TimeoutError. For calls without a timeout, such as asking for a name.

    The thread of a call that never returns stays behind; it is a daemon and holds nothing of ours.
    """
    return patience.within(deadline.left, act, name="delivery-lookup")
