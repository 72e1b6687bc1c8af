"""What nodes used, minute by minute: the port `SampleStore`; and what runs used before: the port `PastStore`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from smart_cron.core.anomaly import Sample
from smart_cron.core.sample import NodeSample
from smart_cron.store.bulk import placeholders
from smart_cron.store.foreign import number, whole, word
from smart_cron.store.queues import HELD_RANK
from smart_cron.store.record_rows import MEGABYTE
from smart_cron.store.session import Session

_FIGURES = (
    "cpu_percent",
    "memory_percent",
    "memory_used_mb",
    "swap_percent",
    "load_1m",
    "disk_percent",
    "inode_percent",
    "disk_free_mb",
    "running",
    "waiting",
    "unrecorded",
)
_COUNTS = ("memory_used_mb", "disk_free_mb", "running", "waiting", "unrecorded")
_COLUMNS = ("node", "sampled_at", *_FIGURES)
# A node that was not sampled for so long has no newest sample: it is gone, or its master is.
FRESH = timedelta(hours=1)
# Of a task that fails nearly always no more than this is read: its past is not told by successes.
LOOK_BACK_RUNS = 400


class Samples:
    """Keeps samples of nodes and counts what is under way."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._instant = session.dialect.instant

    def add(self, sample: NodeSample) -> None:
        """Keep a sample."""
        values = [sample.node, self._instant(sample.sampled_at), *(getattr(sample, name) for name in _FIGURES)]
        self._session.execute(
            f"INSERT INTO smart_cron_node_samples ({', '.join(_COLUMNS)}) VALUES ({placeholders(values)})", values
        )

    def latest(self) -> list[NodeSample]:
        """Return the newest sample of each node, by name; of nodes that were sampled within the last hour."""
        since = self._instant(self._session.now() - FRESH)
        rows = self._session.rows(
            f"""SELECT {", ".join(_COLUMNS)} FROM smart_cron_node_samples WHERE id IN (
                SELECT MAX(id) FROM smart_cron_node_samples WHERE sampled_at >= %s GROUP BY node) ORDER BY node""",
            [since],
        )
        return [self._sample(row) for row in rows]

    def series(self, *, node: str, since: datetime, until: datetime) -> list[NodeSample]:
        """Return a node's samples with since <= instant < until, the earliest first."""
        rows = self._session.rows(
            f"""SELECT {", ".join(_COLUMNS)} FROM smart_cron_node_samples
             WHERE node = %s AND sampled_at >= %s AND sampled_at < %s ORDER BY sampled_at, id""",
            [node, self._instant(since), self._instant(until)],
        )
        return [self._sample(row) for row in rows]

    def counts(self, *, node: str) -> tuple[int, int]:
        """Return how many runs the node holds, and how many executions wait on all nodes."""
        queue = f"smart_cron_executions{self._session.dialect.force_index('smart_cron_executions_queue')}"
        held = self._session.row(f"SELECT COUNT(*) FROM {queue} WHERE queue_rank = {HELD_RANK} AND node = %s", [node])
        waiting = self._session.row(f"SELECT COUNT(*) FROM {queue} WHERE queue_rank > {HELD_RANK}")
        return int(held[0] if held else 0), int(waiting[0] if waiting else 0)

    def _sample(self, row: Sequence[Any]) -> NodeSample:
        sampled_at = self._session.dialect.read_instant(row[1])
        assert sampled_at is not None
        figures = {name: number(value) for name, value in zip(_FIGURES, row[2:], strict=True)}
        counts = {name: None if figures[name] is None else whole(figures[name]) for name in _COUNTS}
        return NodeSample(node=word(row[0]), sampled_at=sampled_at, **(figures | counts))  # type: ignore[arg-type]


class Pasts:
    """Reads what a task's last successes took."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def last_successes(self, task_id: int, *, limit: int) -> list[Sample]:
        """Return what the task's last successes took, at most *limit*, the earliest first."""
        index = self._session.dialect.force_index("smart_cron_executions_task")
        rows = self._session.rows(
            f"""SELECT execution_time, output_bytes, memory_peak_mb FROM (
                SELECT id, success, execution_time, output_bytes, memory_peak_mb FROM smart_cron_executions{index}
                 WHERE task_id = %s ORDER BY id DESC LIMIT {LOOK_BACK_RUNS}) AS recent
             WHERE success = 1 AND execution_time IS NOT NULL ORDER BY id DESC LIMIT %s""",
            [task_id, limit],
        )
        return [
            Sample(
                duration=float(seconds),
                output_bytes=int(printed or 0),
                memory_peak_bytes=None if peak is None else int(peak) * MEGABYTE,
            )
            for seconds, printed, peak in reversed(rows)
        ]
