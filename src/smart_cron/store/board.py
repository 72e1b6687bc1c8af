"""Tasks by the page, lean: the port `TaskBoard`.

There are some thousand tasks at most, so that their table may be looked through; executions are never read here, and of
the rollups only the few rows of each task that are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from smart_cron.core.task_board import Pulse, TaskCounts, TaskFilter, TaskLine, TaskSort, TaskState
from smart_cron.store.bulk import placeholders
from smart_cron.store.definitions import timeout_fault
from smart_cron.store.session import Session

_COLUMNS = """t.id, t.task_name, t.task_description, t.schedule_pattern, t.time_zone, t.task_group, t.node_tag,
    t.priority, t.enabled, t.is_running, t.last_status, t.last_run_at, t.next_run_at, t.consecutive_failures,
    t.total_executions, t.total_successes, t.avg_execution_time, t.invalid_reason, t.timeout_seconds"""
_HELD = "t.id IN (SELECT h.task_id FROM smart_cron_skipped_slots h WHERE h.outcome = 'held')"
_STATES: Mapping[TaskState, str] = {
    TaskState.ENABLED: "t.enabled <> 0",
    TaskState.DISABLED: "t.enabled = 0",
    TaskState.RUNNING: "t.is_running <> 0",
    TaskState.FAILING: "t.consecutive_failures > 0",
    TaskState.INVALID: "t.invalid_reason IS NOT NULL",
    TaskState.HELD: _HELD,
}
_RATE = "CASE WHEN t.total_executions > 0 THEN 1.0 * t.total_successes / t.total_executions END"
_SORTS: Mapping[TaskSort, str] = {
    TaskSort.NAME: "t.task_name",
    # A disabled task has no next run, whatever its row still says.
    TaskSort.NEXT: "CASE WHEN t.enabled <> 0 THEN t.next_run_at END",
    TaskSort.LAST: "t.last_run_at",
    TaskSort.FAILURES: "t.consecutive_failures",
    TaskSort.RATE: _RATE,
    TaskSort.TIME: "t.avg_execution_time",
    TaskSort.PRIORITY: "t.priority",
}
_PULSE = "bucket_at, runs, failures, duration_sum, timed_runs"
_Condition = tuple[str, list[object]]


class Board:
    """Reads what lists of tasks show."""

    def __init__(self, session: Session) -> None:
        self._session, self._read = session, session.dialect.read_instant

    def page(
        self, wanted: TaskFilter, *, sort: TaskSort, descending: bool, offset: int, limit: int
    ) -> Sequence[TaskLine]:
        """Return tasks in this order, what has no value for it last; equal ones by name."""
        where, params = _where(wanted)
        by = _SORTS[sort]
        # The databases do not agree where NULL stands, so that it is asked for.
        order = f"CASE WHEN {by} IS NULL THEN 1 ELSE 0 END, {by}{' DESC' if descending else ''}, t.task_name"
        return self._lines(f"WHERE {where} ORDER BY {order} LIMIT %s OFFSET %s", [*params, limit, offset])

    def lines(self, ids: Sequence[int]) -> Sequence[TaskLine]:
        """Return those of these tasks that there are, by name."""
        return self._lines(f"WHERE t.id IN ({placeholders(ids)}) ORDER BY t.task_name", ids) if ids else []

    def _lines(self, tail: str, params: Sequence[object]) -> list[TaskLine]:
        rows = self._session.rows(
            f"SELECT {_COLUMNS}, CASE WHEN {_HELD} THEN 1 ELSE 0 END FROM smart_cron_tasks_config t {tail}", params
        )
        return [self._line(row) for row in rows]

    def _line(self, row: Sequence[Any]) -> TaskLine:
        return TaskLine(
            id=row[0],
            name=row[1],
            description=row[2] or "",
            schedule=row[3],
            time_zone=row[4],
            group=row[5],
            node_tag=row[6],
            priority=row[7],
            enabled=bool(row[8]),
            is_running=bool(row[9]),
            is_held=bool(row[19]),
            last_status=row[10],
            last_run_at=self._read(row[11]),
            next_run_at=self._read(row[12]) if row[8] else None,
            consecutive_failures=row[13],
            total_executions=row[14],
            total_successes=row[15],
            avg_execution_time=row[16],
            invalid_reason=row[17] or timeout_fault(row[18]),
        )

    def counts(self, wanted: TaskFilter) -> TaskCounts:
        """Return how many tasks are wanted, whatever their state, and how many of them are in each."""
        where, params = _where(wanted, any_state=True)
        sums = ", ".join(f"SUM(CASE WHEN {condition} THEN 1 ELSE 0 END)" for condition in _STATES.values())
        row = self._session.row(f"SELECT COUNT(*), {sums} FROM smart_cron_tasks_config t WHERE {where}", params)
        assert row is not None
        return TaskCounts(all=row[0], by_state={state: int(n or 0) for state, n in zip(_STATES, row[1:], strict=True)})

    def groups(self, near: frozenset[str] | None) -> Sequence[str]:
        """Return the groups that tasks are in, by name, of those that somebody is let near."""
        return self._words("task_group", near)

    def tags(self, near: frozenset[str] | None) -> Sequence[str]:
        """Return the node tags that tasks of these groups ask for, by name."""
        return self._words("node_tag", near)

    def _words(self, column: str, near: frozenset[str] | None) -> Sequence[str]:
        where, params = _near(near)
        rows = self._session.rows(
            f"""SELECT DISTINCT t.{column} FROM smart_cron_tasks_config t
             WHERE t.{column} IS NOT NULL AND t.{column} <> '' AND {where} ORDER BY t.{column}""",
            params,
        )
        return [row[0] for row in rows]

    def pulses(self, ids: Sequence[int], *, limit: int) -> Mapping[int, Sequence[Pulse]]:
        """Return the last *limit* hours of each task in which a run of it ended, the earliest first."""
        if not ids:
            return {}
        # A few rows from the end of each task's index; one statement over all would read every hour of every task.
        each = f"""SELECT * FROM (SELECT task_id, {_PULSE} FROM smart_cron_metrics
            WHERE task_id = %s AND period = 'hour' ORDER BY bucket_at DESC LIMIT {int(limit)}) p"""
        rows = self._session.rows(" UNION ALL ".join(each for _ in ids), list(ids))
        found: dict[int, list[Sequence[Any]]] = {}
        for row in rows:
            found.setdefault(row[0], []).append(row[1:])
        return {task_id: self._summed(rows) for task_id, rows in found.items()}

    def pulses_between(self, task_id: int, *, since: datetime, until: datetime) -> Sequence[Pulse]:
        """Return the hours (days of the remoter past) with since <= instant < until in which a run ended, in order."""
        instant = self._session.dialect.instant
        rows = self._session.rows(
            f"""SELECT {_PULSE} FROM smart_cron_metrics
             WHERE task_id = %s AND period IN ('hour', 'day') AND bucket_at >= %s AND bucket_at < %s""",
            [task_id, instant(since), instant(until)],
        )
        return self._summed(rows)

    def _summed(self, rows: Sequence[Sequence[Any]]) -> list[Pulse]:
        """Return one for each period, whatever the number of nodes that ran the task in it."""
        sums: dict[datetime, tuple[int, int, float, int]] = {}
        for bucket_at, *values in rows:
            at = self._read(bucket_at)
            assert at is not None
            before = sums.get(at, (0, 0, 0.0, 0))
            sums[at] = tuple(old + new for old, new in zip(before, values, strict=True))
        return [
            Pulse(at=at, runs=runs, failures=failures, duration_sum=float(total), timed_runs=timed)
            for at, (runs, failures, total, timed) in sorted(sums.items())
        ]


def _where(wanted: TaskFilter, *, any_state: bool = False) -> _Condition:
    conditions = [_near(wanted.near)]
    if wanted.text:
        pattern = f"%{_escaped(wanted.text.lower())}%"
        looked = "LOWER(t.task_name) LIKE %s ESCAPE '!' OR LOWER(t.task_description) LIKE %s ESCAPE '!'"
        conditions.append((f"({looked})", [pattern, pattern]))
    if wanted.group is not None:
        conditions.append(("COALESCE(t.task_group, '') = %s", [wanted.group]))
    if wanted.tag is not None:
        conditions.append(("t.node_tag = %s", [wanted.tag]))
    if wanted.state is not None and not any_state:
        conditions.append((_STATES[wanted.state], []))
    return " AND ".join(sql for sql, _ in conditions), [value for _, values in conditions for value in values]


def _near(groups: frozenset[str] | None) -> _Condition:
    if groups is None:
        return "1 = 1", []
    if not groups:
        return "1 = 0", []
    names: list[object] = [*sorted(groups)]
    return f"COALESCE(t.task_group, '') IN ({placeholders(names)})", names


def _escaped(text: str) -> str:
    """Return *text* so that LIKE takes each of its characters for itself."""
    return "".join(f"!{mark}" if mark in "!%_" else mark for mark in text)
