"""Patience with work that may hang: done in a thread that nobody waits for longer than was said.

A thread that waits in the kernel for a disk or a server cannot be ended from here. It is a daemon, so that the process
can end without it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Generic, TypeVar, cast

_T = TypeVar("_T")


class Attempt(Generic[_T]):
    """One piece of work under way. `result` and `fault` are there once `is_over`."""

    def __init__(self, work: Callable[[], _T], *, name: str) -> None:
        self._work, self._over = work, threading.Event()
        self._began = time.monotonic()
        self.result: _T | None = None
        self.fault: Exception | None = None
        self.seconds = 0.0
        threading.Thread(target=self._run, name=name, daemon=True).start()

    @property
    def is_over(self) -> bool:
        """Whether it has ended, well or not."""
        return self._over.is_set()

    @property
    def age_seconds(self) -> float:
        """How long ago it began."""
        return time.monotonic() - self._began

    def wait(self, until: float) -> bool:
        """Wait for its end, at most until this instant of the monotonic clock; return whether it is over."""
        return self._over.wait(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        try:
            self.result = self._work()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is for whoever waits
            self.fault = error
        self.seconds = time.monotonic() - self._began
        self._over.set()


def within(seconds: float, work: Callable[[], _T], *, name: str) -> _T:
    """Return what *work* returns, raise what it raises, or TimeoutError where it takes longer; it may go on then."""
    attempt = Attempt(work, name=name)
    if not attempt.wait(time.monotonic() + seconds):
        raise TimeoutError
    if attempt.fault is not None:
        raise attempt.fault
    return cast("_T", attempt.result)


def silent_paths(paths: Iterable[Path], *, seconds: float) -> list[Path]:
    """Return those of these of which nobody can tell in so many seconds whether they are there: their mount hangs."""
    until = time.monotonic() + seconds
    asked = [(path, Attempt(path.stat, name=f"stat {path}")) for path in dict.fromkeys(paths)]
    return [path for path, attempt in asked if not attempt.wait(until)]


def outermost(paths: Sequence[Path]) -> list[Path]:
    """Return those of these that are not below another of them."""
    return [path for path in paths if not any(above in paths for above in path.parents)]


def remount(path: Path) -> str:
    """Return what is to be done about a path that is silent."""
    return f"Bring its disk or mount back, or let go of it: umount -l {path}"
