"""Work that a person asks for and that takes longer than a page: one of a kind at a time, on a thread of its own.

What became of it is remembered until the next one, or the end of this process. Each asks the database on a connection
of its own thread, and hangs up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from smart_cron.core.errors import SmartCronError
from smart_cron.core.ports import Clock, Log

# True and a sentence where it went well.
Work = Callable[[], tuple[bool, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """One piece of work: what of, by whom, and how it ended; `ended_at` is None while it is done."""

    what: str
    by: str
    started_at: datetime
    ended_at: datetime | None = None
    went_well: bool = True
    words: str = ""

    @property
    def is_under_way(self) -> bool:
        """Whether it is being done."""
        return self.ended_at is None


class Chores:
    """The newest of each kind."""

    def __init__(self, *, clock: Clock, log: Log, hang_up: Callable[[], object]) -> None:
        self._clock, self._log, self._hang_up = clock, log, hang_up
        self._lock, self._newest = threading.Lock(), dict[str, Chore]()

    def newest(self, kind: str) -> Chore | None:
        """Return the newest of this kind."""
        return self._newest.get(kind)

    def begin(self, kind: str, work: Work, *, by: str, what: str = "") -> bool:
        """Begin it; False where one of this kind is under way."""
        with self._lock:
            newest = self._newest.get(kind)
            if newest is not None and newest.is_under_way:
                return False
            chore = self._newest[kind] = Chore(what=what, by=by, started_at=self._clock.now())
        threading.Thread(target=self._do, args=(kind, chore, work), name=f"chore-{kind}", daemon=True).start()
        return True

    def _do(self, kind: str, chore: Chore, work: Work) -> None:
        try:
            went_well, words = work()
        except SmartCronError as error:
            went_well, words = False, str(error)
        except Exception as error:  # noqa: BLE001  whoever waits must hear that it is over
            self._log.error("Work for a page failed", kind=kind, reason=f"{type(error).__name__}: {error}")
            went_well, words = False, "It went wrong; the log says why."
        self._newest[kind] = replace(chore, ended_at=self._clock.now(), went_well=went_well, words=words)
        try:
            self._hang_up()
        except SmartCronError:
            return
