"""What a run uses over time: a line for each look, in a file beside its output (`NAME.r1`).

A look walks the run's processes, so there are few: the first after five seconds, then one each thirty. Of a run that
goes on for long every second one is dropped once there are too many, and from then on there are half as many.
"""

from __future__ import annotations

import os

from smart_cron.taskrunner.limits import PAGE_BYTES
from smart_cron.taskrunner.output import create, segment_path
from smart_cron.taskrunner.tree import descendants

FIRST_SECONDS = 5.0
EVERY_SECONDS = 30.0
MOST_LOOKS = 120
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
STREAM = 0


class UsageLog:
    """Looks at the descendants of this process. Never raises: a run is not stopped because nobody could look."""

    __slots__ = ("_every", "_fd", "_lines", "_path", "due_after")

    def __init__(self, output_path: str) -> None:
        self._path = segment_path(output_path, STREAM, 1)
        self._lines: list[bytes] = []
        self._every = EVERY_SECONDS
        self._fd = -1
        # Seconds from the start of the run to the next look.
        self.due_after = FIRST_SECONDS

    def look(self, elapsed: float, *, ended_cpu_seconds: float) -> None:
        """Note what is used now; *ended_cpu_seconds* is what processes took that have been reaped."""
        self.due_after = elapsed + self._every
        memory, cpu_seconds, processes = _used()
        line = b"%.1f %d %.2f %d\n" % (elapsed, memory, cpu_seconds + ended_cpu_seconds, processes)
        self._lines.append(line)
        try:
            if len(self._lines) > MOST_LOOKS:
                self._thin_out()
            else:
                self._append(line)
        except OSError:
            self.due_after = float("inf")

    def _append(self, line: bytes) -> None:
        if self._fd == -1:
            self._fd = create(self._path)
        os.write(self._fd, line)

    def _thin_out(self) -> None:
        self._lines = self._lines[::2]
        self._every *= 2
        os.ftruncate(self._fd, 0)
        os.write(self._fd, b"".join(self._lines))

    def close(self) -> None:
        """Close the file; nothing is looked at after this."""
        if self._fd != -1:
            os.close(self._fd)
            self._fd = -1


def _used() -> tuple[int, float, int]:
    """Return resident bytes, CPU seconds and number of all descendants; of those they have reaped the CPU, too."""
    memory = ticks = count = 0
    for process in descendants(os.getpid()):
        try:
            with open(f"/proc/{process.pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue  # It has just ended.
        # utime, stime, cutime, cstime; rss in pages.
        ticks += sum(map(int, fields[11:15]))
        memory += int(fields[21]) * PAGE_BYTES
        count += 1
    return memory, ticks / TICKS_A_SECOND, count
