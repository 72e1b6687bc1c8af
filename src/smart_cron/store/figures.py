"""Every figure of this moment, for those who scrape: the port `FigureStore`. A dozen reads, each along an index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from smart_cron.core.exported import OTHERS, Figures, TaskFigures
from smart_cron.core.rollup import hour_of
from smart_cron.store.foreign import number, whole, word
from smart_cron.store.letter_rows import given_up
from smart_cron.store.queues import BLOCKED_FROM, BLOCKED_UNTIL, DELAYED_RANK, HELD_RANK, QUEUED_RANK
from smart_cron.store.rollups import lateness_since
from smart_cron.store.samples import Samples
from smart_cron.store.session import Session

_NEXT = "CASE WHEN plannable = 1 THEN next_run_at END"
_NAMED = (
    "task_name",
    "total_successes",
    "total_failures",
    "timed_executions",
    "timed_seconds",
    "consecutive_failures",
    "CASE WHEN is_running = 0 THEN 0 ELSE 1 END",
    "last_run_at",
    _NEXT,
    "id",
    "total_executions",
)
_SUMMED = f"""COUNT(*), SUM(total_successes), SUM(total_failures), SUM(timed_executions), SUM(timed_seconds),
    MAX(consecutive_failures), SUM(CASE WHEN is_running = 0 THEN 0 ELSE 1 END), MAX(last_run_at), MIN({_NEXT})"""
_MOST_RUN = "FROM smart_cron_tasks_config ORDER BY total_executions DESC, id LIMIT %s"
_STATE = "CASE WHEN enabled = 0 THEN 'disabled' WHEN invalid_reason IS NULL THEN 'enabled' ELSE 'invalid' END"
DAY = timedelta(days=1)


class FigureReads:
    """Reads what is exported."""

    def __init__(self, session: Session, samples: Samples) -> None:
        self._session, self._samples = session, samples
        self._read, self._instant = session.dialect.read_instant, session.dialect.instant

    def figures(self, *, named: int) -> Figures:
        """Return every figure of this moment; the *named* tasks with most runs by name, the rest summed up."""
        now = self._session.now()
        tasks = self._grouped(f"SELECT {_STATE}, COUNT(*) FROM smart_cron_tasks_config GROUP BY {_STATE}")
        queue = self._queue()
        late_runs, late_sum, late_most = lateness_since(self._session, hour_of(now) - timedelta(hours=1))
        return Figures(
            taken_at=now,
            named_tasks=tuple(self._named(named, all_tasks=sum(tasks.values()))),
            tasks=tasks,
            open_alerts=self._grouped(
                "SELECT severity, COUNT(*) FROM smart_cron_alerts WHERE resolved = 0 GROUP BY severity"
            ),
            waiting={kind: count for kind, count in queue.items() if kind != "running"},
            running=queue["running"],
            deliveries_pending=self._count("SELECT COUNT(*) FROM smart_cron_deliveries WHERE status = 'pending'"),
            deliveries_failed=given_up(self._session, within=DAY),
            lateness_runs=late_runs,
            lateness_sum=late_sum,
            lateness_max=late_most,
            samples=tuple(self._samples.latest()),
        )

    def _named(self, limit: int, *, all_tasks: int) -> list[TaskFigures]:
        rows = self._session.wide_rows(_NAMED, _MOST_RUN, [limit])
        # Somebody may have called a task so: two series of one name are none.
        named = [task for task in map(self._task, rows) if task.name != OTHERS]
        if all_tasks > limit:
            others = self._others(rows[-1][-2:] if rows else None)
            named += [] if others is None else [others]
        return named

    def _others(self, last: Sequence[Any] | None) -> TaskFigures | None:
        """Return the sum of those behind the *last* one that is named, an id and a number of runs."""
        # They are told by where they stand: to look for those that are not named would put all in order once more.
        where = "WHERE total_executions < %s OR (total_executions = %s AND id > %s)" if last else ""
        row = self._session.row(
            f"SELECT {_SUMMED} FROM smart_cron_tasks_config {where}", [last[1], last[1], last[0]] if last else []
        )
        return self._task((OTHERS, *row[1:])) if row is not None and row[0] else None

    def _task(self, row: Sequence[Any]) -> TaskFigures:
        return TaskFigures(
            name=word(row[0]),
            successes=whole(row[1]),
            failures=whole(row[2]),
            timed_runs=whole(row[3]),
            timed_seconds=number(row[4]) or 0.0,
            consecutive_failures=whole(row[5]),
            running=whole(row[6]),
            last_run_at=self._read(row[7]),
            next_run_at=self._read(row[8]),
        )

    def _queue(self) -> Counter[str]:
        index = self._session.dialect.force_index("smart_cron_executions_queue")
        found: Counter[str] = Counter(waiting=0, delayed=0, queued=0, blocked=0, running=0)
        for rank, count in self._session.rows(
            f"""SELECT queue_rank, COUNT(*) FROM smart_cron_executions{index}
             WHERE queue_rank IS NOT NULL GROUP BY queue_rank"""
        ):
            found[_kind(rank)] += count
        return found

    def _grouped(self, sql: str) -> Mapping[str, int]:
        return {str(word): int(count) for word, count in self._session.rows(sql)}

    def _count(self, sql: str, params: Sequence[object] = ()) -> int:
        row = self._session.row(sql, params)
        return int(row[0]) if row else 0


def _kind(rank: int) -> str:
    if rank > HELD_RANK:
        return "waiting"
    if BLOCKED_FROM <= rank <= BLOCKED_UNTIL:
        return "blocked"
    return {HELD_RANK: "running", DELAYED_RANK: "delayed", QUEUED_RANK: "queued"}[rank]
