"""Permission to start: the port `ClaimStore`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from smart_cron.core.run import Claim, ErrorType, Status, Trigger, WaitingRun
from smart_cron.core.task import TaskDefinition
from smart_cron.store import definitions
from smart_cron.store.bulk import UpdateEach, placeholders
from smart_cron.store.dialects import FLOAT, INSTANT, INT, TEXT
from smart_cron.store.lanes import Lanes
from smart_cron.store.queues import BLOCKED_FROM, HELD_RANK, QUEUED_RANK
from smart_cron.store.releases import TASK_GONE, Releases
from smart_cron.store.session import Session

_CLAIM_COLUMNS = (
    "e.id",
    "e.task_id",
    "e.run_id",
    "e.scheduled_for",
    "e.attempt",
    "e.triggered_by",
    "e.node",
    "e.incarnation",
    "e.launch_deadline",
    "e.claimed_at",
    "e.run_arguments",
    *(f"t.{column}" for column in definitions.COLUMNS),
)

_GIVE_RUN_ID = UpdateEach(
    table="smart_cron_executions",
    columns=(
        ("id", INT),
        ("run_id", TEXT),
        ("node", TEXT),
        ("incarnation", TEXT),
        ("now", INSTANT),
        ("deadline", FLOAT),
    ),
    sets="""status = 'claimed', run_id = {run_id}, node = {node}, incarnation = {incarnation}, claimed_at = {now},
        launch_deadline = {deadline}, allowed_seconds = (
            SELECT c.timeout_seconds + c.kill_grace_seconds FROM smart_cron_tasks_config c WHERE c.id = t.task_id)""",
    where="t.id = {id} AND t.status = 'waiting'",
)
_MARK_TASK = UpdateEach(
    table="smart_cron_tasks_config",
    columns=(("id", INT), ("execution_id", INT)),
    sets="is_running = 1, running_execution_id = {execution_id}",
    where="t.id = {id}",
)


class Claims:
    """Reads what waits and gives it to nodes."""

    def __init__(self, session: Session, releases: Releases) -> None:
        self._session, self._releases, self._lanes = session, releases, Lanes(session)
        self._instant, self._read = session.dialect.instant, session.dialect.read_instant

    def lock_waiting(
        self, *, limit: int, only: int | None = None, tags: Sequence[str] = (), catch_ups: int | None = None
    ) -> list[WaitingRun]:
        """Lock and return waiting executions by priority, then due time, then id, passing over what others hold."""
        if only is not None:
            return self._lanes.lock_one(only, tags=tags)
        return self._lanes.lock(limit=limit, tags=tags, catch_ups=limit if catch_ups is None else catch_ups)

    def any_catch_up(self) -> bool:
        """Whether an old slot waits to be made up for."""
        return self._lanes.any_catch_up()

    def lock_total(self) -> int:
        """Keep other nodes from claiming until the transaction ends; return how many runs all nodes hold."""
        self._session.rows(f"SELECT id FROM smart_cron_nodes ORDER BY id LIMIT 1{self._session.dialect.lock}")
        queue = self._session.dialect.force_index("smart_cron_executions_queue")
        row = self._session.row(f"SELECT COUNT(*) FROM smart_cron_executions{queue} WHERE queue_rank = {HELD_RANK}")
        return int(row[0]) if row else 0

    def any_behind_others(self) -> bool:
        """Say whether some execution waits for the end of another one: queued behind its task's, or for its group."""
        index = self._session.dialect.force_index("smart_cron_executions_queue")
        sql = f"SELECT 1 FROM smart_cron_executions{index} WHERE queue_rank BETWEEN %s AND %s LIMIT 1"
        return self._session.row(sql, [BLOCKED_FROM, QUEUED_RANK]) is not None

    def group_usage(self, groups: Sequence[str]) -> Mapping[str, int]:
        """Return how many claimed or running executions each of these groups has."""
        return dict.fromkeys(groups, 0) | self._releases.group_usage(groups)

    def claim(
        self,
        runs: Sequence[tuple[int, str]],
        *,
        node: str,
        incarnation: str,
        launch_deadline: float,
        now: datetime,
    ) -> list[Claim]:
        """Give these (execution id, new run id) to the node, in the given order, and mark their tasks running.

        A run whose task was deleted is settled as skipped and left out.
        """
        if not runs:
            return []
        moment = self._instant(now)
        given = {"node": node, "incarnation": incarnation, "now": moment, "deadline": launch_deadline}
        _GIVE_RUN_ID.run(self._session, [{"id": number, "run_id": run_id, **given} for number, run_id in sorted(runs)])
        claims = self.reclaim(runs)
        self._mark_tasks(claims)
        self._drop_orphans(runs, claims, now)
        return claims

    def reclaim(self, keys: Sequence[tuple[int, str]]) -> list[Claim]:
        """Return the claims of these (execution id, run id) that are still `claimed`, in the given order."""
        if not keys:
            return []
        ids = [execution_id for execution_id, _ in keys]
        rows = self._session.wide_rows(
            _CLAIM_COLUMNS,
            f"""FROM smart_cron_executions e JOIN smart_cron_tasks_config t ON t.id = e.task_id
             WHERE e.id IN ({placeholders(ids)}) AND e.status = 'claimed'""",
            ids,
        )
        found = {(row[0], row[2]): row for row in rows}
        return [self._claim(found[key]) for key in keys if key in found]

    def _claim(self, row: Sequence[Any]) -> Claim:
        task, fault = definitions.read_definition(row[11:])
        if row[10] is not None and fault is None:
            task, fault = _with_arguments(task, row[10])
        claimed_at = self._read(row[9])
        assert claimed_at is not None
        return Claim(
            execution_id=row[0],
            task_id=row[1],
            run_id=row[2],
            task=task,
            scheduled_for=self._read(row[3]),
            attempt=row[4],
            triggered_by=Trigger(row[5]),
            node=row[6],
            incarnation=row[7],
            launch_deadline=row[8],
            claimed_at=claimed_at,
            fault=fault,
        )

    def _mark_tasks(self, claims: Sequence[Claim]) -> None:
        newest = {claim.task_id: claim.execution_id for claim in claims}
        rows = [{"id": task_id, "execution_id": number} for task_id, number in sorted(newest.items())]
        _MARK_TASK.run(self._session, rows)

    def _drop_orphans(self, runs: Sequence[tuple[int, str]], claims: Sequence[Claim], now: datetime) -> None:
        """A task deleted by SQL leaves its waiting runs behind; nothing can be started for them."""
        orphans = sorted({number for number, _ in runs} - {claim.execution_id for claim in claims})
        if orphans:
            self._session.execute(
                f"""UPDATE smart_cron_executions SET status = %s, error_message = %s, completed_at = %s
                 WHERE id IN ({placeholders(orphans)}) AND status = 'claimed' AND claimed_at = %s
                   AND NOT EXISTS (SELECT 1 FROM smart_cron_tasks_config t WHERE t.id = task_id)""",
                [str(Status.SKIPPED), TASK_GONE, self._instant(now), *orphans, self._instant(now)],
            )

    def block(self, execution_ids: Sequence[int]) -> None:
        """Set these aside until a run of their group ends."""
        if execution_ids:
            ids = sorted(execution_ids)
            self._session.execute(
                f"""UPDATE smart_cron_executions SET status = 'blocked'
                 WHERE id IN ({placeholders(ids)}) AND status = 'waiting'""",
                ids,
            )

    def expire(self, execution_ids: Sequence[int], *, reason: str, now: datetime) -> None:
        """Settle these as missed without ever having started."""
        if not execution_ids:
            return
        rows = self._session.rows(
            f"SELECT task_id FROM smart_cron_executions WHERE id IN ({placeholders(execution_ids)})",
            list(execution_ids),
        )
        self._releases.lock_tasks(row[0] for row in rows)
        self._releases.settle_unstarted(execution_ids, Status.MISSED, reason=reason, now=now)

    def cancellations(self, *, node: str) -> list[tuple[str, ErrorType]]:
        """Return (run id, reason) of this node's held runs that somebody asked to end."""
        rows = self._session.rows(
            f"""SELECT run_id, cancel_reason
              FROM smart_cron_executions{self._session.dialect.force_index("smart_cron_executions_queue")}
             WHERE queue_rank = {HELD_RANK} AND cancel_reason IS NOT NULL AND node = %s""",
            [node],
        )
        return [(run_id, ErrorType(reason)) for run_id, reason in rows]


def _with_arguments(task: TaskDefinition, text: str) -> tuple[TaskDefinition, str | None]:
    """Return the task with a manual run's own arguments in place of its own."""
    try:
        return replace(task, arguments=definitions.read_arguments(text)), None
    except ValueError as error:
        return task, str(error)
