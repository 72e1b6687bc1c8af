"""Run files that nobody asked about: of runs whose rows are final, and of runs that others took for lost.

A master that dies between its commit and the release of a file leaves the file behind; a node that was silent finds
runs of its own settled as lost by others, and knows better. Both are found by reading the files once, a few at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from smart_cron.core.ports import Database, Launcher, NodeStore, RecordStore
from smart_cron.core.run import RunEnd

# A look at so many costs some ten milliseconds, and there may be thousands.
PORTION = 200


class OldFiles:
    """Goes through the node's run files, a portion at a time, when told to."""

    def __init__(self, *, database: Database, nodes: NodeStore, records: RecordStore, launcher: Launcher) -> None:
        self._database, self._nodes, self._records, self._launcher = database, nodes, records, launcher
        self._ends: Iterator[RunEnd] = iter(())

    def read_again(self) -> None:
        """Begin with the first file."""
        self._ends = self._launcher.ended()

    def look_at_some(self) -> list[RunEnd]:
        """Let go of files whose rows are final; return ends that replace what others took for a loss."""
        try:
            ends = list(islice(self._ends, PORTION))
        except OSError:
            # Their directory is closed to us: from the start, the next time.
            self.read_again()
            return []
        if not ends:
            return []
        keys = [(end.execution_id, end.run_id) for end in ends]
        with self._database.transaction():
            final = self._records.final_among(keys)
            reopened = self._nodes.reopen_lost([key for key in keys if key[1] in final])
        self._launcher.discard(sorted(final - reopened))
        return [end for end in ends if end.run_id in reopened]
