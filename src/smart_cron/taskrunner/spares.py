"""Spent run files, on their way to the next run.

Creating files after many unlinks is slow on ext4, renaming is not; and syncing what is overwritten is several times
quicker than syncing a new file. So a file is used again as soon as nothing can need it any more.
"""

from __future__ import annotations

import os
from collections import deque

from smart_cron.taskrunner.kernel import boottime
from smart_cron.taskrunner.records import read

SPARES_KEPT = 5000
SURPLUS_PER_ROUND = 10
# Orders given to another runner before our start are void after this; no claim stands for longer.
LAUNCH_WINDOW_SECONDS = 60.0


class Spares:
    """Run files whose rows are final.

    The file of a run keeps it from being started a second time. A runner that is *alone* remembers for itself which
    runs it had until their launch deadlines, so that it may use the file for another run at once. Beside another
    runner, that other one may hold an order for the same run, so the file stays until its deadline.
    """

    def __init__(self, runs_dir: str, *, alone: bool) -> None:
        self._runs_dir = runs_dir
        self._alone_from = 0.0 if alone else boottime() + LAUNCH_WINDOW_SECONDS
        self._deadlines: dict[str, float] = {}
        self._had: set[str] = set()
        self._had_until: deque[tuple[float, str]] = deque()
        self._cooling: deque[tuple[float, str]] = deque()
        self._ready: deque[str] = deque()
        # The names in the two above: a master that starts releases again what it finds lying about.
        self._waiting: set[str] = set()

    def expect(self, run_id: str, deadline: float) -> None:
        """Note the launch deadline of a run, so that its file need not be asked later."""
        self._deadlines[run_id] = deadline

    def remembers(self, run_id: str) -> bool:
        """Whether the run was here already and its file may be another run's by now."""
        return run_id in self._had

    def release(self, run_id: str) -> None:
        """Let the file of that run be used again."""
        if run_id in self._waiting:
            return
        deadline = self._deadlines.pop(run_id, None)
        if deadline is None:
            deadline = self._deadline_in_file(run_id)
            if deadline is not None:
                self._cool(deadline, run_id)
        elif boottime() >= self._alone_from:
            self._had.add(run_id)
            self._had_until.append((deadline, run_id))
            self._ready.append(run_id)
            self._waiting.add(run_id)
        else:
            self._cool(deadline, run_id)

    def _cool(self, deadline: float, run_id: str) -> None:
        self._cooling.append((deadline, run_id))
        self._waiting.add(run_id)

    def _deadline_in_file(self, run_id: str) -> float | None:
        try:
            found = read(self._runs_dir, run_id)
        except OSError:
            return None
        if found is None or found.locked:
            return None
        return 0.0 if found.started is None else float(found.started["launch_deadline"])

    def next(self) -> str | None:
        """Return the name of a file that may be taken for another run, or None."""
        self._cool_down(boottime())
        return self._take() if self._ready else None

    def _take(self) -> str:
        run_id = self._ready.popleft()
        self._waiting.discard(run_id)
        return run_id

    def _cool_down(self, now: float) -> None:
        # Roughly in order of their deadlines: one that is behind a later one waits with it, and that is harmless.
        while self._cooling and self._cooling[0][0] < now:
            self._ready.append(self._cooling.popleft()[1])
        while self._had_until and self._had_until[0][0] < now:
            self._had.discard(self._had_until.popleft()[1])

    def keep_house(self, now: float) -> None:
        """Delete a few of those that are too many: many at once would make the next files slow to create."""
        self._cool_down(now)
        for _ in range(min(len(self._ready) - SPARES_KEPT, SURPLUS_PER_ROUND)):
            try:
                os.unlink(f"{self._runs_dir}/{self._take()}")
            except OSError:
                continue
