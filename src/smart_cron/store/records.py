"""What became of claims: the port `RecordStore`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from math import isfinite
from typing import Any

from smart_cron.core.errors import DatabaseConflictError
from smart_cron.core.run import ACTIVE_STATUSES, ErrorType, HeldRun, OpenRun, Settlement, Status, Trigger
from smart_cron.store import definitions, record_rows
from smart_cron.store.alerts import Alerts
from smart_cron.store.bulk import placeholders
from smart_cron.store.dialects import PRIMARY
from smart_cron.store.outbox import Outbox
from smart_cron.store.queues import HELD, HELD_RANK, quoted
from smart_cron.store.releases import Releases
from smart_cron.store.rollups import Rollups
from smart_cron.store.session import Session

_ACTIVE = quoted(status for status in Status if status in ACTIVE_STATUSES)
# What a run is allowed of which nobody noted it.
LONGEST_SECONDS = 86_400
_OPEN_COLUMNS = (
    "e.id",
    "e.run_id",
    "e.task_id",
    "e.task_name",
    "e.attempt",
    "e.scheduled_for",
    "e.triggered_by",
    "e.priority",
    "e.cancel_reason",
    "t.max_retries",
    "t.retry_delay_seconds",
    "t.retry_lost",
    "t.success_exit_codes",
    "t.failure_threshold",
    "t.consecutive_failures",
    "t.alert_on_failure",
    "t.id",
    "e.task_group",
    "e.node",
    "e.catch_up",
    "t.total_successes",
    "t.anomaly_tolerance",
    "t.ping_url",
    "(SELECT COUNT(*) FROM smart_cron_alerts a WHERE a.resolved = 0 AND a.task_id = e.task_id)",
)


class Records:
    """Writes outcomes; says what is still open."""

    def __init__(self, session: Session, releases: Releases, alerts: Alerts, rollups: Rollups, outbox: Outbox) -> None:
        self._session, self._releases = session, releases
        self._alerts, self._rollups, self._outbox = alerts, rollups, outbox
        self._instant, self._read = session.dialect.instant, session.dialect.read_instant

    def mark_running(self, runs: Sequence[tuple[int, str, datetime]]) -> None:
        """Note that these (execution id, run id, started at) run; final rows stay as they are."""
        rows = [
            {"id": number, "run_id": run_id, "started_at": self._instant(at)} for number, run_id, at in sorted(runs)
        ]
        record_rows.MARK_RUNNING.run(self._session, rows)

    def lock_open(self, keys: Sequence[tuple[int, str]]) -> list[OpenRun]:
        """Lock the executions with these (id, run id) that are not final yet, in id order, and their tasks."""
        if not keys:
            return []
        run_ids = dict(keys)
        ids = sorted(run_ids)
        self._lock_tasks_of(ids)
        rows = self._session.wide_rows(
            _OPEN_COLUMNS,
            f"""FROM smart_cron_executions e{self._session.dialect.force_index(PRIMARY)}
              LEFT JOIN smart_cron_tasks_config t ON t.id = e.task_id
             WHERE e.id IN ({placeholders(ids)}) AND e.status IN ({HELD}) ORDER BY e.id{self._lock_executions()}""",
            ids,
        )
        return self._with_words([self._open_run(row) for row in rows if run_ids[row[0]] == row[1]])

    def _with_words(self, runs: list[OpenRun]) -> list[OpenRun]:
        """Add to those that somebody asked to end who that was, and what they said."""
        asked = [run.execution_id for run in runs if run.cancel_reason is not None]
        if not asked:
            return runs
        rows = self._session.rows(
            f"""SELECT entity_id, actor, new_values FROM smart_cron_audit_log
             WHERE entity_type = 'execution' AND action = 'cancel' AND entity_id IN ({placeholders(asked)})
             ORDER BY id DESC""",
            asked,
        )
        # The first who asked is the one whose reason stands in the row.
        words = {number: (actor, _note(values)) for number, actor, values in rows}
        return [
            replace(run, cancelled_by=words[run.execution_id][0], cancel_note=words[run.execution_id][1])
            if run.execution_id in words
            else run
            for run in runs
        ]

    def _lock_tasks_of(self, execution_ids: Sequence[int]) -> None:
        if not self._session.dialect.lock:
            return  # The transaction is the lock.
        tasks = self._session.rows(
            f"SELECT DISTINCT task_id FROM smart_cron_executions WHERE id IN ({placeholders(execution_ids)})",
            execution_ids,
        )
        self._releases.lock_tasks(row[0] for row in tasks)

    def _lock_executions(self) -> str:
        # The nullable side of an outer join cannot be locked on PostgreSQL; the tasks are locked already.
        lock = self._session.dialect.lock
        return f"{lock} OF e" if lock and self._session.dialect.name == "postgresql" else lock

    def _open_run(self, row: Sequence[Any]) -> OpenRun:
        own: dict[str, Any] = {
            "execution_id": row[0],
            "run_id": row[1],
            "task_id": row[2],
            "task_name": row[3],
            "attempt": row[4],
            "scheduled_for": self._read(row[5]),
            "triggered_by": _readable(row[6], Trigger, Trigger.CRON),
            "priority": _number(row[7], 5),
            "cancel_reason": _readable(row[8], ErrorType, None),
            "group": row[17],
            "node": row[18],
            "is_catch_up": bool(row[19]),
        }
        if row[16] is None:
            return OpenRun(**own, task_exists=False)
        return OpenRun(
            **own,
            max_retries=_number(row[9], 0),
            retry_delay_seconds=_number(row[10], 60),
            retry_lost=bool(row[11]),
            success_exit_codes=_readable(row[12], definitions.read_exit_codes, (0,)),
            failure_threshold=_number(row[13], 5),
            consecutive_failures=_number(row[14], 0),
            alert_on_failure=bool(row[15]),
            total_successes=_number(row[20], 0),
            anomaly_tolerance=float(row[21]) if isinstance(row[21], int | float) and isfinite(row[21]) else 0.0,
            ping_url=row[22] if isinstance(row[22], str) else None,
            has_open_alerts=bool(row[23]),
        )

    def settle(self, settlements: Sequence[Settlement], *, now: datetime) -> None:
        """Write outcomes, totals, retries and alerts, and let what waited behind these runs go on.

        Raise DatabaseConflictError where one of them is not the caller's to settle any more.
        """
        if not settlements:
            return
        settlements = sorted(settlements, key=lambda each: each.run.execution_id)
        # Status first: an output that a database will not take must never keep a run running.
        ends = [record_rows.end(settlement, self._instant) for settlement in settlements]
        if record_rows.FINISH.run(self._session, ends) != len(ends):
            raise DatabaseConflictError("a run was settled elsewhere at the same time.")
        record_rows.KEEP_OUTPUT.run(self._session, record_rows.outputs(settlements))
        record_rows.ADD_RETRIES.run(self._session, self._retries(settlements, now))
        self._sum_up(settlements)
        self._alerts.follow(settlements, now=now)
        self._outbox.add_pings([each for each in settlements if each.run.ping_url], now=now)
        self._rollups.add(settlements)
        self._releases.release_blocked(Counter(each.run.group for each in settlements if each.run.group is not None))

    def _retries(self, settlements: Sequence[Settlement], now: datetime) -> list[Mapping[str, object]]:
        again = [each for each in settlements if each.retry_at is not None]
        if not again:
            return []
        numbers = [settlement.run.execution_id for settlement in again]
        kept = self._session.rows(
            f"""SELECT id, task_group, node_tag, run_arguments, requested_by FROM smart_cron_executions
             WHERE id IN ({placeholders(numbers)})""",
            numbers,
        )
        of = {row[0]: row[1:] for row in kept}
        return [record_rows.retry(each, of[each.run.execution_id], self._instant, now) for each in again]

    def _sum_up(self, settlements: Sequence[Settlement]) -> None:
        sums = record_rows.summed_by_task(settlements)
        held = self._releases.release_queued(sums)
        rows = [record_rows.totals(task, self._instant, held[task.task_id]) for task in sums.values()]
        record_rows.ADD_TOTALS.run(self._session, rows)

    def held(self, *, node: str) -> list[HeldRun]:
        """Return the node's executions that are claimed or running."""
        rows = self._session.rows(
            f"""SELECT id, run_id, status, incarnation, claimed_at, launch_deadline,
                    COALESCE(allowed_seconds, %s), cancel_reason
              FROM smart_cron_executions{self._session.dialect.force_index("smart_cron_executions_queue")}
             WHERE queue_rank = {HELD_RANK} AND node = %s""",
            [LONGEST_SECONDS, node],
        )
        return [self._held_run(row) for row in sorted(rows)]

    def move_claims(self, *, node: str, incarnation: str) -> int:
        """Give what the node has claimed and not started yet to another incarnation of it; return how many changed."""
        rows = self._session.rows(
            f"""SELECT id FROM smart_cron_executions{self._session.dialect.force_index("smart_cron_executions_queue")}
             WHERE queue_rank = {HELD_RANK} AND node = %s AND status = 'claimed' AND incarnation <> %s""",
            [node, incarnation],
        )
        ids = sorted(row[0] for row in rows)
        if not ids:
            return 0
        return self._session.execute(
            f"""UPDATE smart_cron_executions SET incarnation = %s
             WHERE id IN ({placeholders(ids)}) AND status = 'claimed' AND node = %s""",
            [incarnation, *ids, node],
        )

    def _held_run(self, row: tuple[Any, ...]) -> HeldRun:
        claimed_at = self._read(row[4])
        assert claimed_at is not None
        return HeldRun(
            execution_id=row[0],
            run_id=row[1],
            status=Status(row[2]),
            incarnation=row[3],
            claimed_at=claimed_at,
            launch_deadline=row[5],
            allowed_seconds=row[6],
            cancel_reason=ErrorType(row[7]) if row[7] else None,
        )

    def final_among(self, keys: Sequence[tuple[int, str]]) -> set[str]:
        """Return the run ids among these (execution id, run id) whose rows are final or gone."""
        if not keys:
            return set()
        ids = [execution_id for execution_id, _ in keys]
        rows = self._session.rows(
            f"""SELECT id, run_id FROM smart_cron_executions
             WHERE id IN ({placeholders(ids)}) AND status IN ({_ACTIVE})""",
            ids,
        )
        still_open = set(rows)
        return {run_id for number, run_id in keys if (number, run_id) not in still_open}

    def heal_projections(self) -> int:
        """Make `is_running` say what the executions say, and let go what waits behind nothing.

        Return how many tasks were wrong.
        """
        with self._session.transaction():
            self._releases.release_stranded(now=self._session.now())
            suspects = self._wrong_tasks(self._marked_running(), self._held_by_task())
            if not suspects:
                return 0
            # Looked at again under their locks: a claim may have come between.
            self._releases.lock_tasks(suspects)
            marked, held = self._marked_running(), self._held_by_task()
            wrong = sorted(suspects & self._wrong_tasks(marked, held))
            rows = [record_rows.projection(task_id, held.get(task_id)) for task_id in wrong]
            return record_rows.PROJECT.run(self._session, rows)

    def _marked_running(self) -> dict[int, int | None]:
        return dict(
            self._session.rows(
                f"""SELECT id, running_execution_id
                  FROM smart_cron_tasks_config{self._session.dialect.force_index("smart_cron_tasks_running")}
                 WHERE NOT (is_running = 0)"""
            )
        )

    def _held_by_task(self) -> dict[int, list[int]]:
        held: dict[int, list[int]] = {}
        rows = self._session.rows(
            f"""SELECT task_id, id
              FROM smart_cron_executions{self._session.dialect.force_index("smart_cron_executions_queue")}
             WHERE queue_rank = {HELD_RANK}"""
        )
        for task_id, execution_id in sorted(rows):
            held.setdefault(task_id, []).append(execution_id)
        return held

    def _wrong_tasks(self, marked: Mapping[int, int | None], held: Mapping[int, list[int]]) -> set[int]:
        idle = marked.keys() - held.keys()
        unmarked = {task_id for task_id, numbers in held.items() if marked.get(task_id) not in numbers}
        return idle | unmarked


def _note(values: str | None) -> str:
    try:
        found = json.loads(values or "{}")
    except ValueError:
        return ""
    return str(found.get("note", "")) if isinstance(found, dict) else ""


def _readable(text: str | None, read: Any, otherwise: Any) -> Any:
    """Return what a column says; a row that says nonsense is settled by the default and not left open."""
    try:
        return read(text) if text else otherwise
    except (ValueError, TypeError, AttributeError):
        return otherwise


def _number(value: object, otherwise: int) -> int:
    """Return a whole number; SQLite keeps any text in any column."""
    return value if isinstance(value, int) else otherwise
