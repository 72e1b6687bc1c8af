"""Bounds of what stays open: so much of one user, and so much of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Places:
    """Places in this process, taken by users; used by one event loop."""

    def __init__(self, *, of_one: int, of_all: int) -> None:
        self._of_one, self._of_all = of_one, of_all
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, who: str) -> Iterator[bool]:
        """Hold a place for as long as the block lasts; False where there is none."""
        if self._taken[who] >= self._of_one or self._taken.total() >= self._of_all:
            yield False
            return
        self._taken[who] += 1
        try:
            yield True
        finally:
            # Who has none left is forgotten.
            self._taken -= Counter({who: 1})
