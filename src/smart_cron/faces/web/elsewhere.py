"""Servers elsewhere that a page has to wait for: one that hangs may hold some of the clerks, and never all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from smart_cron.faces.web.limits import TooManyError

PATIENCE_SECONDS, AGAIN_SECONDS = 0.5, 5.0


class Elsewhere:
    """One that so many clerks may ask at once."""

    def __init__(self, *, at_once: int) -> None:
        self._places = threading.BoundedSemaphore(at_once)

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Ask it within the block. Raise TooManyError where too many wait for it already."""
        if not self._places.acquire(timeout=PATIENCE_SECONDS):
            raise TooManyError(AGAIN_SECONDS)
        try:
            yield
        finally:
            self._places.release()
