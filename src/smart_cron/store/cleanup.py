"""Old rows, deleted in transactions so short that nobody notices: the port `CleanupStore`.

What is to go is looked for without any lock, which also brings its pages into memory; the DELETE that follows takes
it by its numbers, and asks once more whether it may go. So locks are held for the deleting alone, which is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from smart_cron.core.ports.cleanup import Cut, KnownRun
from smart_cron.core.retention import OldRows, OldRun
from smart_cron.store.bulk import placeholders
from smart_cron.store.day_metrics import add_to_days, hours_of, is_free
from smart_cron.store.session import Session

# SQLite has one writer, and whoever waits for it sleeps and looks again (see `fairness`).
SQLITE_LIMIT, SQLITE_PAUSE = timedelta(milliseconds=5), timedelta(milliseconds=5)
# Half of what is promised: a server that has much to do takes several times as long at times.
SERVER_LIMIT = timedelta(milliseconds=50)
# SQLite's log is copied back after so many transactions, before a master that commits would have to do it.
CHECKPOINT_EVERY, CHECKPOINT_PAGES = 4, 1_000
PORTION = 1_000
_STARTED = "smart_cron_executions_start"
_EXECUTIONS = "smart_cron_executions"
# What its own node says later replaces a loss that others guessed; it has said so once it is back.
_NOT_IN_DOUBT = """NOT (e.status = 'lost' AND e.settled_by IS NOT NULL AND EXISTS (
        SELECT 1 FROM smart_cron_nodes n WHERE n.node_name = e.node AND n.forgotten_at IS NULL
           AND (n.heartbeat_at IS NULL OR n.heartbeat_at < e.completed_at)))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """Where rows of a kind are, which of them are old, and in which order an index has them."""

    table: str
    is_old: str
    order: str


_KINDS: Mapping[OldRows, _Kind] = {
    OldRows.SKIPPED_SLOTS: _Kind(
        table="smart_cron_skipped_slots",
        # Slots that wait for a person wait for as long as it takes.
        is_old="recorded_at < {before} AND (last_slot IS NULL OR last_slot < {before}) AND outcome <> 'held'",
        order="id",
    ),
    OldRows.HEALTH_CHECKS: _Kind(
        table="smart_cron_health_checks", is_old="checked_at < {before}", order="checked_at, id"
    ),
    OldRows.ALERTS: _Kind(
        table="smart_cron_alerts",
        # Those that SQL resolved may have no instant of it.
        is_old="""created_at < {before} AND resolved <> 0 AND untold = 0
              AND (resolved_at IS NULL OR resolved_at < {before})""",
        order="created_at, id",
    ),
    OldRows.DELIVERIES: _Kind(
        table="smart_cron_deliveries", is_old="created_at < {before} AND status <> 'pending'", order="created_at, id"
    ),
    OldRows.RATE_LIMITS: _Kind(table="smart_cron_rate_limits", is_old="expires_at < {before}", order="expires_at, id"),
    OldRows.NODE_SAMPLES: _Kind(
        table="smart_cron_node_samples", is_old="sampled_at < {before}", order="sampled_at, id"
    ),
    OldRows.HOURLY_METRICS: _Kind(
        table="smart_cron_metrics", is_old="period = 'hour' AND bucket_at < {before}", order="bucket_at, id"
    ),
    OldRows.DAILY_METRICS: _Kind(
        table="smart_cron_metrics",
        is_old="period IN ('day', 'day_total') AND bucket_at < {before}",
        order="bucket_at, id",
    ),
}

# Of which table rows of a kind go, by the names of the clean-up's steps.
TABLES: Mapping[str, str] = {"executions": _EXECUTIONS, **{kind.value: _KINDS[kind].table for kind in OldRows}}


class Cleanup:
    """Finds, counts and deletes what is old."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._instant = session.dialect.instant
        self._cuts = 0

    @property
    def lock_limit(self) -> timedelta:
        """How long one transaction may hold its locks."""
        return SQLITE_LIMIT if self._session.dialect.name == "sqlite" else SERVER_LIMIT

    @property
    def least_pause(self) -> timedelta:
        """How long others must be let in after each transaction."""
        return SQLITE_PAUSE if self._session.dialect.name == "sqlite" else timedelta()

    def old_runs(self, *, before: datetime) -> Iterator[Sequence[OldRun]]:
        """Yield portions of the executions that ended before this, what started first first."""
        yield from self._that_started(before)
        yield from self._that_never_started(before)

    def _that_started(self, before: datetime) -> Iterator[Sequence[OldRun]]:
        """Go along the index of starts: the whole history is never read, and of old runs nothing that they printed."""
        since: Sequence[object] = ()
        while True:
            # The column as it stands, whatever wrote it: an instant read and written anew might compare otherwise.
            later = " AND e.started_at >= %s AND (e.started_at > %s OR e.id > %s)" if since else ""
            rows = self._old(f"e.started_at < %s{later}", [self._instant(before), *since], "e.started_at, e.id", before)
            if not rows:
                return
            since = (rows[-1][2], rows[-1][2], rows[-1][0])
            yield [OldRun(id=row[0], task_id=row[1]) for row in rows]

    def _that_never_started(self, before: datetime) -> Iterator[Sequence[OldRun]]:
        last = 0
        while rows := self._old("e.started_at IS NULL AND e.id > %s", [last], "e.id", before):
            last = rows[-1][0]
            yield [OldRun(id=row[0], task_id=row[1]) for row in rows]

    def _old(self, which: str, params: Sequence[object], order: str, before: datetime) -> list[tuple[Any, ...]]:
        index = self._session.dialect.force_index(_STARTED)
        return self._session.rows(
            f"""SELECT e.id, e.task_id, e.started_at FROM {_EXECUTIONS} AS e{index}
             WHERE {which} AND e.completed_at < %s AND {_NOT_IN_DOUBT} ORDER BY {order} LIMIT {PORTION}""",
            [*params, self._instant(before)],
        )

    def floors(self, task_ids: Sequence[int], *, keep: int) -> Mapping[int, int]:
        """Return, by task, the number of the oldest of its *keep* newest executions; nothing of tasks with fewer."""
        found = {task_id: self._floor(task_id, keep) for task_id in task_ids}
        return {task_id: floor for task_id, floor in found.items() if floor is not None}

    def _floor(self, task_id: int, keep: int) -> int | None:
        if not keep:
            newest = self._session.row(f"SELECT MAX(id) + 1 FROM {_EXECUTIONS} WHERE task_id = %s", [task_id])
            return newest[0] if newest else None
        index = self._session.dialect.force_index("smart_cron_executions_task")
        row = self._session.row(
            f"SELECT id FROM {_EXECUTIONS}{index} WHERE task_id = %s ORDER BY id DESC LIMIT 1 OFFSET %s",
            [task_id, keep - 1],
        )
        return row[0] if row else None

    def delete_runs(self, ids: Sequence[int], *, before: datetime) -> Cut:
        """Delete those of these executions that ended before this. One that was opened again meanwhile stays."""
        sql = f"""DELETE FROM {_EXECUTIONS} WHERE id IN ({placeholders(ids)})
            AND completed_at < %s AND queue_rank IS NULL AND active_task_id IS NULL"""
        return self._cut(len(ids), lambda: self._session.execute(sql, [*ids, self._instant(before)]))

    def known_runs(self, run_ids: Sequence[str]) -> Mapping[str, KnownRun]:
        """Return the executions of these run ids; those without one are left out."""
        rows = self._session.rows(
            f"""SELECT run_id, id, CASE WHEN queue_rank IS NULL THEN 1 ELSE 0 END FROM {_EXECUTIONS}
             WHERE run_id IN ({placeholders(run_ids)})""",
            list(run_ids),
        )
        return {run_id: KnownRun(id=number, is_final=bool(is_final)) for run_id, number, is_final in rows}

    def count_old(self, kind: OldRows, *, before: datetime) -> int:
        """Return how many rows of a kind are older than this."""
        where, params = self._where(kind, before)
        row = self._session.row(f"SELECT COUNT(*) FROM {_KINDS[kind].table} WHERE {where}", params)
        return int(row[0]) if row else 0

    def delete_old(self, kind: OldRows, *, before: datetime, limit: int) -> Cut:
        """Delete rows of a kind that are older than this, no more than *limit*."""
        where, params = self._where(kind, before)
        table, order = _KINDS[kind].table, _KINDS[kind].order
        found = self._session.rows(f"SELECT id FROM {table} WHERE {where} ORDER BY {order} LIMIT {limit:d}", params)
        ids = [row[0] for row in found]
        if not ids:
            return Cut(looked_at=0, rows=0)
        sql = f"DELETE FROM {table} WHERE id IN ({placeholders(ids)}) AND {where}"
        return self._cut(len(ids), lambda: self._session.execute(sql, [*ids, *params]))

    def _where(self, kind: OldRows, before: datetime) -> tuple[str, list[object]]:
        condition = _KINDS[kind].is_old
        return condition.replace("{before}", "%s"), [self._instant(before)] * condition.count("{before}")

    def tasks_with_hours(self, *, before: datetime) -> Sequence[int]:
        """Return the tasks that have hours before this instant in their metrics."""
        where, params = self._where(OldRows.HOURLY_METRICS, before)
        rows = self._session.rows(f"SELECT DISTINCT task_id FROM smart_cron_metrics WHERE {where}", params)
        return sorted(row[0] for row in rows)

    def roll_up(self, task_id: int, *, before: datetime, limit: int) -> Cut:
        """Add no more than *limit* hours of the task to their days, and delete them."""
        looked_at = 0

        def move() -> int:
            nonlocal looked_at
            # Whoever settles a run of the task, and adds to its hours, holds its row.
            hours = hours_of(self._session, task_id, before, limit) if is_free(self._session, task_id) else []
            looked_at = len(hours)
            return add_to_days(self._session, task_id, hours) if hours else 0

        cut = self._cut(0, move)
        return replace(cut, looked_at=looked_at)

    def _cut(self, looked_at: int, work: Callable[[], int]) -> Cut:
        """Do the work in a transaction, and measure it from where the transaction stands to its commit."""
        begun = worked_until = 0.0

        def measured() -> int:
            nonlocal begun, worked_until
            begun = time.monotonic()
            if self._session.dialect.name == "postgresql":
                # As on SQLite: what a power cut undoes of a clean-up is done again.
                self._session.execute("SET LOCAL synchronous_commit TO off")
            rows = work()
            worked_until = time.monotonic()
            return rows

        with self._unhurried():
            rows = self._session.again(measured)
            ended = time.monotonic()
        held, worked = timedelta(seconds=ended - begun), timedelta(seconds=worked_until - begun)
        return Cut(looked_at=looked_at, rows=rows, held=held, worked=worked)

    @contextmanager
    def _unhurried(self) -> Iterator[None]:
        """Keep SQLite from waiting for the disk while its one writer's lock is held.

        A COMMIT syncs its log; what a power cut undoes of a clean-up is done again the next time, whole transactions
        at that. Now and then it also copies the log back into the file: that holds no lock, but measured with it every
        third transaction would seem too long, and the next ones be made far too small.
        """
        if self._session.dialect.name != "sqlite":
            yield
            return
        self._set(checkpoint=0, synchronous="NORMAL")
        try:
            yield
        finally:
            self._set(checkpoint=CHECKPOINT_PAGES, synchronous="FULL")
        self._cuts += 1
        if self._cuts % CHECKPOINT_EVERY == 0:
            self._session.rows("PRAGMA wal_checkpoint(PASSIVE)")

    def _set(self, *, checkpoint: int, synchronous: str) -> None:
        self._session.rows(f"PRAGMA wal_autocheckpoint = {checkpoint}")
        self._session.execute(f"PRAGMA synchronous = {synchronous}")
