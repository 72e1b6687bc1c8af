"""What stands behind what: runs that wait for another run, and how they go on. Shared by the ports.

Whether a task is busy is decided under its row's lock only: else a plan and a release, each blind to what the other
has not committed, would both let a run of the same task go.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from smart_cron.core.run import HELD_STATUSES, ErrorType, Status
from smart_cron.core.task import OnOverlap
from smart_cron.store.bulk import placeholders
from smart_cron.store.dialects import PRIMARY
from smart_cron.store.queues import BLOCKED_FROM, BLOCKED_UNTIL, HELD, HELD_RANK, QUEUED_RANK
from smart_cron.store.session import Session

TASK_GONE = "the task was deleted before this run could start"


class Releases:
    """Reads and moves runs that stand in line. Every write belongs inside a transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._instant = session.dialect.instant
        self._in_line = session.dialect.force_index("smart_cron_executions_queue")
        self._under_way = session.dialect.force_index("smart_cron_executions_active")

    def lock_tasks(self, task_ids: Iterable[int]) -> dict[int, str]:
        """Lock the tasks with these ids, in id order; return the overlap policy of each that exists."""
        ids = sorted(set(task_ids))
        if not ids:
            return {}
        rows = self._session.rows(
            f"""SELECT id, on_overlap FROM smart_cron_tasks_config{self._session.dialect.force_index(PRIMARY)}
             WHERE id IN ({placeholders(ids)}) ORDER BY id{self._session.dialect.lock}""",
            ids,
        )
        return dict(rows)

    def in_the_way(self, task_ids: Sequence[int]) -> list[tuple[int, int, str]]:
        """Return (task id, execution id, status) of what is under way, oldest first; delayed retries left out."""
        if not task_ids:
            return []
        return self._session.rows(
            f"""SELECT active_task_id, id, status
              FROM smart_cron_executions{self._under_way}
             WHERE active_task_id IN ({placeholders(task_ids)}) ORDER BY active_task_id, id""",
            list(task_ids),
        )

    def release_queued(self, task_ids: Iterable[int]) -> dict[int, int | None]:
        """Let the oldest queued run of each of these locked tasks go where nothing stands before it.

        Return the newest held run of each task, or None.
        """
        ids = sorted(set(task_ids))
        queued: dict[int, int] = {}
        busy: set[int] = set()
        held: dict[int, int | None] = dict.fromkeys(ids)
        for task_id, execution_id, status in self.in_the_way(ids):
            if status == Status.QUEUED:
                queued.setdefault(task_id, execution_id)
            else:
                busy.add(task_id)
            if status in HELD_STATUSES:
                held[task_id] = execution_id
        self._set_status([queued[task_id] for task_id in queued if task_id not in busy], Status.QUEUED, Status.WAITING)
        return held

    def release_blocked(self, freed: Mapping[str, int]) -> None:
        """Let as many blocked runs of each group go as places were freed, the most urgent first."""
        for group, places in sorted(freed.items()):
            rows = self._session.rows(
                f"""SELECT id FROM smart_cron_executions{self._in_line}
                 WHERE queue_rank BETWEEN %s AND %s AND task_group = %s
                 ORDER BY queue_rank, due_at, id LIMIT %s{self._session.dialect.lock_skipping}""",
                [BLOCKED_FROM, BLOCKED_UNTIL, group, places],
            )
            self._set_status([row[0] for row in rows], Status.BLOCKED, Status.WAITING)

    def retries(self, rows: Sequence[tuple[int, int]], *, now: datetime) -> int:
        """Release these delayed (execution id, task id): waiting, or queued where their task is busy."""
        policies = self.lock_tasks(task_id for _, task_id in rows)
        busy = {task_id for task_id, _, _ in self.in_the_way(sorted(policies))}
        gone, free, behind = [], [], []
        for execution_id, task_id in rows:
            if task_id not in policies:
                gone.append(execution_id)
            elif task_id in busy and policies[task_id] != OnOverlap.ALLOW:
                behind.append(execution_id)
            else:
                free.append(execution_id)
                busy.add(task_id)
        self.settle_unstarted(gone, Status.SKIPPED, reason=TASK_GONE, now=now)
        return self._undelay(free, Status.WAITING) + self._undelay(behind, Status.QUEUED)

    def _undelay(self, execution_ids: Sequence[int], status: Status) -> int:
        return self._set_status(execution_ids, Status.DELAYED, status, ", due_at = COALESCE(scheduled_for, created_at)")

    def cancel(self, execution_ids: Sequence[int], *, reason: ErrorType, now: datetime) -> int:
        """Ask for the end of those that are held, end the others at once; return how many there were of either."""
        ids = sorted(execution_ids)
        moment = self._instant(now)
        asked = self._session.execute(
            f"""UPDATE smart_cron_executions SET cancel_reason = %s, cancel_requested_at = %s
             WHERE id IN ({placeholders(ids)}) AND status IN ({HELD}) AND cancel_reason IS NULL""",
            [str(reason), moment, *ids],
        )
        message = f"ended before it started: {reason}"
        return asked + self.settle_unstarted(ids, Status.KILLED, reason=message, now=now, error_type=reason)

    def settle_unstarted(
        self,
        execution_ids: Sequence[int],
        status: Status,
        *,
        reason: str,
        now: datetime,
        error_type: ErrorType | None = None,
    ) -> int:
        """Give those of these that still stand in line their end, and let queued ones behind them go on.

        Their tasks must be locked where something may stand behind them.
        """
        if not execution_ids:
            return 0
        ids = sorted(execution_ids)
        tasks = self._session.rows(
            f"SELECT DISTINCT task_id FROM smart_cron_executions WHERE id IN ({placeholders(ids)})", ids
        )
        count = self._session.execute(
            f"""UPDATE smart_cron_executions
             SET status = %s, error_message = %s, error_type = %s, completed_at = %s
             WHERE id IN ({placeholders(ids)}) AND status IN ('waiting', 'delayed', 'queued', 'blocked')""",
            [str(status), reason[:1000], error_type and str(error_type), self._instant(now), *ids],
        )
        self.release_queued(row[0] for row in tasks)
        return count

    def _set_status(self, execution_ids: Sequence[int], old: Status, new: Status, also: str = "") -> int:
        if not execution_ids:
            return 0
        ids = sorted(execution_ids)
        return self._session.execute(
            f"""UPDATE smart_cron_executions SET status = %s{also}
             WHERE id IN ({placeholders(ids)}) AND status = %s""",
            [str(new), *ids, str(old)],
        )

    def release_stranded(self, *, now: datetime) -> None:
        """Let go what waits behind nothing: the last run before it was deleted or settled by SQL."""
        queued = self._stranded(QUEUED_RANK, QUEUED_RANK, "task_id")
        tasks = self.lock_tasks(queued)
        gone = [number for task_id, numbers in queued.items() if task_id not in tasks for number in numbers]
        self.settle_unstarted(gone, Status.SKIPPED, reason=TASK_GONE, now=now)
        self.release_queued(tasks)
        blocked = self._stranded(BLOCKED_FROM, BLOCKED_UNTIL, "task_group")
        idle = set(blocked) - set(self.group_usage(list(blocked)))
        self.release_blocked({group: len(blocked[group]) for group in idle})

    def _stranded(self, lowest: int, highest: int, key: str) -> dict[Any, list[int]]:
        found: dict[Any, list[int]] = defaultdict(list)
        rows = self._session.rows(
            f"""SELECT {key}, id FROM smart_cron_executions{self._in_line}
             WHERE queue_rank BETWEEN %s AND %s""",
            [lowest, highest],
        )
        for owner, execution_id in rows:
            found[owner].append(execution_id)
        return found

    def group_usage(self, groups: Sequence[str]) -> dict[str, int]:
        """Return how many claimed or running executions each of these groups has; those with none are left out."""
        if not groups:
            return {}
        rows = self._session.rows(
            f"""SELECT task_group FROM smart_cron_executions{self._in_line}
             WHERE queue_rank = {HELD_RANK} AND task_group IN ({placeholders(groups)})""",
            list(groups),
        )
        return Counter(row[0] for row in rows)
