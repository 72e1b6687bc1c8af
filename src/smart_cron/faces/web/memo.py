"""What was read a moment ago, for those who look at the same: hours that are over change seldom."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

_T = TypeVar("_T")
MOST = 5_000


class Memo:
    """Remembers values for some seconds. Two threads may make one at the same time: both are right."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[float, object]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], _T], *, seconds: float) -> _T:
        """Return what was made under this key lately, or make it."""
        with self._lock:
            found = self._kept.get(key)
        if found is not None and self._clock() < found[0]:
            return cast("_T", found[1])
        made = make()
        self.put(key, made, seconds=seconds)
        return made

    def has(self, key: Hashable) -> bool:
        """Whether something is remembered under this key."""
        with self._lock:
            found = self._kept.get(key)
        return found is not None and self._clock() < found[0]

    def put(self, key: Hashable, value: object, *, seconds: float) -> None:
        """Remember this; what was put in longest ago is forgotten first."""
        with self._lock:
            self._kept[key] = (self._clock() + seconds, value)
            self._kept.move_to_end(key)
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)
