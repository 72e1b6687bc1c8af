"""How things stand at one glance: the port `OverviewStore`. Tasks, what is under way, and sums; never the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from smart_cron.core.overview import Counters, RunningRun, TaskHour, TaskLine, UpcomingSlot
from smart_cron.core.ports.overview import Groups
from smart_cron.core.rollup import Rollup, merge
from smart_cron.store.bulk import placeholders
from smart_cron.store.foreign import number, whole, word
from smart_cron.store.queues import HELD_RANK
from smart_cron.store.rollups import SUMMED, TOTALS, rollup_of
from smart_cron.store.session import Session
from smart_cron.store.totals import Totals

_TASKS, _RUNS = "smart_cron_tasks_config", "smart_cron_executions"
_SEVERITIES = ("critical", "error", "warning", "info")
_FAILING = "enabled <> 0 AND consecutive_failures > 0"
_USUAL = "CASE WHEN timed_executions > 0 THEN timed_seconds / timed_executions END"
_LINE = (
    "id", "task_name", "task_group", "enabled", "is_running", "schedule_pattern", "last_status", "last_run_at",
    "next_run_at", "consecutive_failures", _USUAL, "invalid_reason",
)  # fmt: skip
# A word that no LIKE can be given whole is cut.
_MOST_WORDS = 100


class Overview:
    """Reads for pages that somebody looks at all the time."""

    def __init__(self, session: Session) -> None:
        self._session, self._dialect, self._totals = session, session.dialect, Totals(session)
        self._read = session.dialect.read_instant

    def counters(self, groups: Groups) -> Counters:
        """Return every counter of this moment, by one statement. Alerts of the system count for who sees all groups."""
        near, named = near_groups(groups)
        of_tasks = f"FROM {_TASKS} WHERE 1 = 1{near}"
        queue = f"FROM {_RUNS}{self._dialect.force_index('smart_cron_executions_queue')} WHERE"
        alerts, _ = of_near_tasks(groups)
        counted = (
            f"SELECT COUNT(*) {of_tasks} AND enabled <> 0",
            f"SELECT COUNT(*) {of_tasks} AND enabled = 0",
            f"SELECT COUNT(*) {of_tasks} AND enabled <> 0 AND invalid_reason IS NOT NULL",
            f"SELECT COUNT(*) {of_tasks} AND {_FAILING}",
            f"SELECT COUNT(*) {queue} queue_rank = {HELD_RANK}{near}",
            f"SELECT COUNT(*) {queue} queue_rank IS NOT NULL AND queue_rank <> {HELD_RANK}{near}",
            *(
                f"SELECT COUNT(*) FROM smart_cron_alerts WHERE resolved = 0 AND severity = '{severity}'{alerts}"
                for severity in _SEVERITIES
            ),
        )
        row = self._session.row(f"SELECT {', '.join(f'({each})' for each in counted)}", [*named * len(counted)])
        found = [int(each) for each in row or [0] * len(counted)]
        of_severity = dict(zip(_SEVERITIES, found[6:], strict=True))
        return Counters(
            enabled=found[0], disabled=found[1], invalid=found[2], failing=found[3], running=found[4],
            waiting=found[5], alerts={name: count for name, count in of_severity.items() if count},
        )  # fmt: skip

    def running(self, groups: Groups, *, limit: int) -> Sequence[RunningRun]:
        """Return what nodes hold now, the longest first."""
        near, named = near_groups(groups, "e.task_group")
        queue = self._dialect.force_index("smart_cron_executions_queue")
        rows = self._session.rows(
            f"""SELECT e.id, e.task_name, e.task_group, e.status, e.node, COALESCE(e.started_at, e.claimed_at),
                    e.attempt, {_USUAL.replace("timed", "t.timed")}
              FROM {_RUNS} e{queue} LEFT JOIN {_TASKS} t ON t.id = e.task_id
             WHERE e.queue_rank = {HELD_RANK}{near} ORDER BY 6, e.id LIMIT %s""",
            [*named, limit],
        )
        return [
            RunningRun(
                id=row[0], task=word(row[1]), group=row[2], status=row[3], node=row[4], since=self._read(row[5]),
                attempt=row[6], usual_seconds=number(row[7]),
            )
            for row in rows
        ]  # fmt: skip

    def upcoming(self, groups: Groups, *, until: datetime, limit: int) -> Sequence[UpcomingSlot]:
        """Return the next slots of tasks before *until*, the earliest first."""
        near, named = near_groups(groups)
        rows = self._session.rows(
            f"""SELECT task_name, next_run_at, schedule_pattern, {_USUAL}
              FROM {_TASKS}{self._dialect.force_index("smart_cron_tasks_due")}
             WHERE plannable = 1 AND next_run_at < %s{near} ORDER BY next_run_at, id LIMIT %s""",
            [self._dialect.instant(until), *named, limit],
        )
        return [
            UpcomingSlot(task=word(name), at=at, schedule=word(pattern), usual_seconds=number(usual))
            for name, raw, pattern, usual in rows
            if (at := self._read(raw)) is not None
        ]

    def tasks(self, groups: Groups, *, limit: int) -> Sequence[TaskLine]:
        """Return tasks: those that fail first, then those that ran last."""
        near, named = near_groups(groups)
        rows = self._session.rows(
            f"""SELECT {", ".join(_LINE)} FROM {_TASKS} WHERE 1 = 1{near}
             ORDER BY CASE WHEN {_FAILING} THEN 0 ELSE 1 END, last_run_at IS NULL, last_run_at DESC, id LIMIT %s""",
            [*named, limit],
        )
        return [self._line(row) for row in rows]

    def search(self, words: str, groups: Groups, *, limit: int) -> Sequence[TaskLine]:
        """Return tasks with these words in their name, those that begin with them first."""
        near, named = near_groups(groups)
        sought = _escaped(words[:_MOST_WORDS].lower())
        rows = self._session.rows(
            f"""SELECT {", ".join(_LINE)} FROM {_TASKS} WHERE LOWER(task_name) LIKE %s ESCAPE '!'{near}
             ORDER BY CASE WHEN LOWER(task_name) LIKE %s ESCAPE '!' THEN 0 ELSE 1 END, task_name LIMIT %s""",
            [f"%{sought}%", *named, f"{sought}%", limit],
        )
        return [self._line(row) for row in rows]

    def sums(self, groups: Groups, *, since: datetime, until: datetime) -> Sequence[Rollup]:
        """Return the hours with since <= hour < until, summed up over tasks, the earliest first; without histograms."""
        tasks = self._ids(groups)
        if tasks is not None:
            return self._sums(tasks, since, until)
        known = self._totals.of(since, until, by_hour=True)
        hours: dict[datetime, list[Rollup]] = {}
        for each in (*known.rollups, *(hour for gap in known.gaps for hour in self._sums(None, *gap))):
            hours.setdefault(each.bucket_at, []).append(each)
        return [replace(merge(hours[at], bucket_at=at), histogram={}) for at in sorted(hours)]

    def _sums(self, tasks: Sequence[int] | None, since: datetime, until: datetime) -> Sequence[Rollup]:
        near = ""
        if tasks is not None:
            # By number: MariaDB takes a subquery for the way in, and looks through every hour of each task.
            near = f" AND task_id IN ({placeholders(tasks)})" if tasks else " AND 1 = 0"
        rows = self._session.rows(
            f"""SELECT bucket_at, {TOTALS} FROM smart_cron_metrics
             WHERE {SUMMED} AND bucket_at >= %s AND bucket_at < %s{near} GROUP BY bucket_at ORDER BY bucket_at""",
            [self._dialect.instant(since), self._dialect.instant(until), *(tasks or [])],
        )
        return [rollup_of(self._session, (*row, None)) for row in rows]

    def _ids(self, groups: Groups) -> list[int] | None:
        if groups is None:
            return None
        near, named = near_groups(groups)
        return [int(row[0]) for row in self._session.rows(f"SELECT id FROM {_TASKS} WHERE 1 = 1{near}", named)]

    def task_hours(
        self, task_ids: Sequence[int], *, since: datetime, until: datetime
    ) -> Mapping[int, Sequence[TaskHour]]:
        """Return the hours of each of these tasks, the earliest first; hours without a run are left out."""
        if not task_ids:
            return {}
        rows = self._session.rows(
            f"""SELECT task_id, bucket_at, SUM(runs), SUM(failures), SUM(duration_sum) FROM smart_cron_metrics
             WHERE task_id IN ({placeholders(task_ids)}) AND period = 'hour' AND bucket_at >= %s AND bucket_at < %s
             GROUP BY task_id, bucket_at ORDER BY task_id, bucket_at""",
            [*task_ids, self._dialect.instant(since), self._dialect.instant(until)],
        )
        found: dict[int, list[TaskHour]] = {}
        for task_id, raw, runs, failures, seconds in rows:
            at = self._read(raw)
            assert at is not None
            hour = TaskHour(bucket_at=at, runs=int(runs), failures=int(failures), seconds=float(seconds or 0))
            found.setdefault(task_id, []).append(hour)
        return found

    def groups_of(self, task_ids: Sequence[int]) -> Mapping[int, str | None]:
        """Return the group of each of these tasks that there is."""
        wanted = sorted(set(task_ids))
        if not wanted:
            return {}
        rows = self._session.rows(f"SELECT id, task_group FROM {_TASKS} WHERE id IN ({placeholders(wanted)})", wanted)
        return {int(task_id): group for task_id, group in rows}

    def _line(self, row: Sequence[Any]) -> TaskLine:
        return TaskLine(
            id=row[0], name=word(row[1]), group=row[2], enabled=bool(row[3]), is_running=bool(row[4]),
            schedule=word(row[5]), last_status=row[6], last_run_at=self._read(row[7]), next_run_at=self._read(row[8]),
            consecutive_failures=whole(row[9]), usual_seconds=number(row[10]), invalid_reason=row[11],
        )  # fmt: skip


def near_groups(groups: Groups, column: str = "task_group") -> tuple[str, list[object]]:
    """Return the condition, with its parameters, that a row's task is in one of these groups; nothing for all."""
    if groups is None:
        return "", []
    if not groups:
        return " AND 1 = 0", []
    return f" AND COALESCE({column}, '') IN ({placeholders(list(groups))})", list[object](sorted(groups))


def of_near_tasks(groups: Groups) -> tuple[str, list[object]]:
    """As `near_groups`, for rows that know only their task's number."""
    near, named = near_groups(groups)
    return ("", []) if groups is None else (f" AND task_id IN (SELECT id FROM {_TASKS} WHERE 1 = 1{near})", named)


def _escaped(words: str) -> str:
    for mark in "!%_":
        words = words.replace(mark, f"!{mark}")
    return words
