"""The output of one run as it grows: `/stream/output/RUN`. Marks are how many bytes of each stream were seen."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.http import QueryDict

from smart_cron.core.people import Person
from smart_cron.core.run import Status
from smart_cron.faces.web.live.feed import Growth, Tail
from smart_cron.faces.web.premises import Premises
from smart_cron.faces.web.printed_html import lines_html, mark
from smart_cron.faces.web.run_of import path_of, run_of
from smart_cron.services.output.frames import FileFrames, Place
from smart_cron.services.output.printed import STREAMS, Mark, Printed

# How often the row is asked whether the run is over, or has begun.
ROW_SECONDS = 1.0


def find_output(
    premises: Premises, person: Person, name: str, query: QueryDict
) -> tuple[object, Callable[[], Tail]] | None:
    """Return which output is meant and how to follow it; None where it is none of theirs."""
    row = run_of(premises, person, name.partition("/")[2])
    stream = query.get("stream", "both")
    if row is None or stream not in STREAMS:
        return None
    number = str(row["id"])
    return (number, stream), lambda: OutputTail(premises, number, stream)


class OutputTail:
    """Follows the file of a run, which there is none of before its start."""

    def __init__(self, premises: Premises, run: str, stream: str) -> None:
        self._premises, self._run, self._streams = premises, run, STREAMS[stream]
        self._printed: Printed | None = None
        self._place = Place()
        self._is_final, self._looked_at = False, 0.0
        self.is_over = False

    def head(self) -> str:
        """Return the mark at the end of all that was read."""
        self._look_at_row()
        if self._printed is not None and self._place == Place():
            self._place = self._printed.end()
        return mark(self._place)

    def grow(self) -> Growth | None:
        """Read what came after the head."""
        was_final = self._is_final
        self._look_at_row()
        before = mark(self._place)
        if self._printed is not None:
            self._printed.is_over = was_final
            found = self._printed.onward(self._place)
            self._place = found.end
            if mark(self._place) != before:
                return Growth(before, mark(self._place), lines_html(found.lines))
        # What was printed between the last look at the file and the end was read just now.
        self.is_over = was_final
        return None

    def catch_up(self, seen: str) -> Growth:
        """Return what lies between a mark and the head."""
        known = Mark.parse(seen) if seen else Mark(0, 0)
        if known is None or self._printed is None or not self._is_before(known):
            return Growth(seen, seen, "")
        found = self._printed.after(known, until=self._place)
        return Growth(seen, mark(found.end), lines_html(found.lines))

    def _is_before(self, known: Mark) -> bool:
        return known.stdout + known.stderr < self._place.total

    def _look_at_row(self) -> None:
        now = time.monotonic()
        if self._is_final or now < self._looked_at + ROW_SECONDS:
            return
        self._looked_at = now
        row = self._premises.store.runs.brief(self._run)
        path = path_of(self._premises, row) if self._printed is None else None
        if path is not None:
            self._printed = Printed(FileFrames(path), self._streams, is_over=False)
        self._is_final = Status(row["status"]).is_final
