"""A database that came from a backup: the port `RestoredStore`.

Numbers of executions are given out again after a restore. What a run file tells keeps its own number all the same,
since its end is found by number and run id; a row that took this number meanwhile gets another one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from smart_cron.core.held import pieces
from smart_cron.core.ledger import LedgerRange, unfold
from smart_cron.core.node import NodeIdentity
from smart_cron.core.restored import FoundRun
from smart_cron.core.run import HELD_STATUSES, Status
from smart_cron.store import plan_rows
from smart_cron.store.bulk import placeholders, storable
from smart_cron.store.queues import clamped, quoted
from smart_cron.store.releases import Releases
from smart_cron.store.session import Session

_CHUNK = 500
_PENDING = quoted((Status.WAITING, Status.DELAYED, Status.QUEUED, Status.BLOCKED))
# What an execution keeps that was planned or asked for already when the backup was made.
_KEPT = (
    "priority",
    "due_at",
    "start_before",
    "task_group",
    "node_tag",
    "catch_up",
    "run_arguments",
    "requested_by",
    "created_at",
)


class Restored:
    """Writes what happened after the backup into the database that came from it."""

    def __init__(self, session: Session, releases: Releases) -> None:
        self._session, self._releases = session, releases
        self._instant, self._read = session.dialect.instant, session.dialect.read_instant

    def unknown(self, run_ids: Sequence[str]) -> set[str]:
        """Return those of these run ids of which the database knows nothing."""
        known: set[str] = set()
        for begin in range(0, len(run_ids), _CHUNK):
            some = run_ids[begin : begin + _CHUNK]
            rows = self._session.rows(
                f"SELECT run_id FROM smart_cron_executions WHERE run_id IN ({placeholders(some)})", some
            )
            known |= {row[0] for row in rows}
        return set(run_ids) - known

    # Runs ----------------------------------------------------------------------------------------------------

    def enter(self, runs: Sequence[FoundRun], *, node: str) -> dict[str, int]:
        """Enter these as running on *node*, in the caller's transaction; return the number of each by its run id."""
        self._releases.lock_tasks(run.task_id for run in runs)
        slots: dict[int, set[datetime]] = defaultdict(set)
        for run in runs:
            if run.scheduled_for is not None:
                slots[run.task_id].add(run.scheduled_for)
        for task_id in sorted(slots):
            self._take_out_of_ranges(task_id, slots[task_id])
        return {run.run_id: self._enter(run, node) for run in sorted(runs, key=lambda run: run.execution_id)}

    def _enter(self, run: FoundRun, node: str) -> int:
        attempt, kept = run.attempt, self._as_its_task_says(run)
        twin = self._twin(run)
        if twin is not None:
            number, run_id, *values = twin
            kept = dict(zip(_KEPT, values, strict=True))
            if run_id is None:
                # Planned before the backup, or anew after the restore: this very attempt, not known to have started.
                self._session.execute("DELETE FROM smart_cron_executions WHERE id = %s", [number])
            else:
                attempt = self._attempts(run) + 1
        row = {**kept, **self._own(run, node), "attempt": attempt}
        if self._make_room(run.execution_id):
            self._insert({**row, "id": run.execution_id})
            self._count_on_from(run.execution_id)
            return run.execution_id
        return self._insert(row)

    def _insert(self, row: Mapping[str, object]) -> int:
        return self._session.insert(
            f"INSERT INTO smart_cron_executions ({', '.join(row)}) VALUES ({placeholders(list(row))})",
            [storable(value) for value in row.values()],
        )

    def _own(self, run: FoundRun, node: str) -> dict[str, object]:
        started_at = self._instant(run.started_at)
        return {
            "task_id": run.task_id,
            "task_name": run.task_name,
            "scheduled_for": self._instant(run.scheduled_for) if run.scheduled_for else None,
            "status": str(Status.RUNNING),
            "triggered_by": str(run.triggered_by),
            "node": node,
            "incarnation": run.incarnation,
            "run_id": run.run_id,
            "claimed_at": started_at,
            "launch_deadline": run.launch_deadline,
            "allowed_seconds": run.allowed_seconds,
            "started_at": started_at,
        }

    def _as_its_task_says(self, run: FoundRun) -> dict[str, object]:
        task = self._session.row(
            "SELECT priority, task_group, node_tag FROM smart_cron_tasks_config WHERE id = %s", [run.task_id]
        )
        priority, group, tag = task or (5, None, None)
        return {
            "priority": clamped(priority),
            "task_group": group,
            "node_tag": tag,
            "due_at": self._instant(run.scheduled_for or run.started_at),
            "created_at": self._instant(run.started_at),
        }

    def _twin(self, run: FoundRun) -> tuple[Any, ...] | None:
        """Return the row that stands for the same attempt at the same slot, or for the same run by hand."""
        select = f"SELECT id, run_id, {', '.join(_KEPT)} FROM smart_cron_executions"
        if run.scheduled_for is not None:
            return self._session.row(
                f"{select} WHERE task_id = %s AND scheduled_for = %s AND attempt = %s",
                [run.task_id, self._instant(run.scheduled_for), run.attempt],
            )
        # Another one may have been asked for under this number after the restore: it is younger than this run.
        return self._session.row(
            f"""{select} WHERE id = %s AND task_id = %s AND scheduled_for IS NULL AND attempt = %s
             AND run_id IS NULL AND created_at <= %s""",
            [run.execution_id, run.task_id, run.attempt, self._instant(run.started_at)],
        )

    def _attempts(self, run: FoundRun) -> int:
        assert run.scheduled_for is not None
        row = self._session.row(
            "SELECT MAX(attempt) FROM smart_cron_executions WHERE task_id = %s AND scheduled_for = %s",
            [run.task_id, self._instant(run.scheduled_for)],
        )
        return int(row[0]) if row and row[0] is not None else 0

    # Numbers -------------------------------------------------------------------------------------------------

    def _make_room(self, number: int) -> bool:
        """See that this number is free; False where a run is held under it, whose own end is found by it too."""
        row = self._session.row(
            f"SELECT status FROM smart_cron_executions WHERE id = %s{self._session.dialect.lock}", [number]
        )
        if row is None:
            return True
        if row[0] in HELD_STATUSES:
            return False
        fresh = self._fresh_number()
        self._session.execute("UPDATE smart_cron_executions SET id = %s WHERE id = %s", [fresh, number])
        self._session.execute("UPDATE smart_cron_alerts SET execution_id = %s WHERE execution_id = %s", [fresh, number])
        return True

    def _fresh_number(self) -> int:
        """Have the database give out a number: to a row that goes at once, since an UPDATE moves no counter."""
        number = self._session.insert(
            "INSERT INTO smart_cron_executions (task_id, task_name, status) VALUES (%s, %s, %s)",
            [0, "", str(Status.MISSED)],
        )
        self._session.execute("DELETE FROM smart_cron_executions WHERE id = %s", [number])
        return number

    def _count_on_from(self, number: int) -> None:
        """Let numbers go on behind this one: PostgreSQL alone does not see to that when a row brings its own."""
        if self._session.dialect.name != "postgresql":
            return
        row = self._session.row("SELECT pg_get_serial_sequence('smart_cron_executions', 'id')")
        assert row is not None
        # Only ever forward: what others take from it meanwhile is behind us already.
        self._session.rows(f"SELECT setval(%s, %s) FROM {row[0]} WHERE last_value < %s", [row[0], number, number])

    def skip_numbers(self, count: int) -> None:
        """Leave out so many numbers of executions: other nodes may have given them to runs since the backup."""
        number = self._fresh_number() + count
        self._session.execute(
            "INSERT INTO smart_cron_executions (id, task_id, task_name, status) VALUES (%s, %s, %s, %s)",
            [number, 0, "", str(Status.MISSED)],
        )
        self._count_on_from(number)
        self._session.execute("DELETE FROM smart_cron_executions WHERE id = %s", [number])

    # Slots ---------------------------------------------------------------------------------------------------

    def _take_out_of_ranges(self, task_id: int, slots: set[datetime]) -> None:
        """These ran after all, whatever another node or the backup made of them."""
        rows = self._session.rows(
            """SELECT id, task_name, first_slot, last_slot, slot_count, outcome, reason, schedule_pattern, time_zone,
                recorded_at FROM smart_cron_skipped_slots
             WHERE task_id = %s AND last_slot >= %s AND first_slot <= %s ORDER BY id""",
            [task_id, self._instant(min(slots)), self._instant(max(slots))],
        )
        for number, *values in rows:
            self._take_out(task_id, number, self._range(values), frozenset(slots))

    def _range(self, values: Sequence[Any]) -> LedgerRange:
        name, first, last, count, outcome, reason, pattern, zone, recorded = values
        first_slot, last_slot = self._read(first), self._read(last)
        assert first_slot is not None
        assert last_slot is not None
        return LedgerRange(
            task=name,
            first=first_slot,
            last=last_slot,
            count=count,
            outcome=outcome,
            reason=reason,
            schedule=pattern,
            zone=zone,
            recorded_at=self._read(recorded),
        )

    def _take_out(self, task_id: int, number: int, gap: LedgerRange, slots: frozenset[datetime]) -> None:
        every = list(unfold(gap, ran=self._ran_in(task_id)))
        if slots.isdisjoint(every):
            return
        self._session.execute("DELETE FROM smart_cron_skipped_slots WHERE id = %s", [number])
        kept: list[Mapping[str, object]] = [
            {
                "task_id": task_id,
                "task_name": gap.task,
                "first_slot": self._instant(piece.first),
                "last_slot": self._instant(piece.last),
                "slot_count": piece.count,
                "outcome": str(gap.outcome),
                "reason": gap.reason,
                "schedule_pattern": gap.schedule,
                "time_zone": gap.zone,
                "recorded_at": self._instant(gap.recorded_at or piece.last),
            }
            for piece in pieces(every, slots)
            if not piece.chosen
        ]
        plan_rows.ADD_RANGES.run(self._session, kept)

    def _ran_in(self, task_id: int) -> Callable[[datetime, datetime], Iterable[datetime]]:
        def ran(first: datetime, last: datetime) -> Iterable[datetime]:
            rows = self._session.rows(
                """SELECT DISTINCT scheduled_for FROM smart_cron_executions
                 WHERE task_id = %s AND scheduled_for >= %s AND scheduled_for <= %s ORDER BY scheduled_for""",
                [task_id, self._instant(first), self._instant(last)],
            )
            return [slot for (raw,) in rows if (slot := self._read(raw)) is not None]

        return ran

    def see_all_anew(self) -> None:
        """Let every task count as changed, so that `PlanStore.lock_changed` returns it."""
        self._session.execute("UPDATE smart_cron_tasks_config SET planned_policy = NULL")

    def unseen(self) -> int:
        """Return how many tasks count as changed."""
        index = self._session.dialect.force_index("smart_cron_tasks_changed")
        return len(self._session.rows(f"SELECT id FROM smart_cron_tasks_config{index} WHERE needs_planning = 1"))

    def miss_pending(self, *, until: datetime, asked_since: datetime | None, reason: str, now: datetime) -> int:
        """Record what was due at *until* and has not been claimed as missed; return how many there were."""
        young, params = "", [self._instant(until)]
        if asked_since is not None:
            young = " AND NOT (scheduled_for IS NULL AND triggered_by = 'manual' AND created_at > %s)"
            params.append(self._instant(asked_since))
        queue = self._session.dialect.force_index("smart_cron_executions_queue")
        rows = self._session.rows(
            f"""SELECT id, task_id FROM smart_cron_executions{queue}
             WHERE queue_rank IS NOT NULL AND status IN ({_PENDING}) AND (due_at IS NULL OR due_at <= %s){young}
             ORDER BY id""",
            params,
        )
        self._releases.lock_tasks(row[1] for row in rows)
        ids = [row[0] for row in rows]
        parts = (ids[begin : begin + _CHUNK] for begin in range(0, len(ids), _CHUNK))
        return sum(self._releases.settle_unstarted(part, Status.MISSED, reason=reason, now=now) for part in parts)

    # This node -----------------------------------------------------------------------------------------------

    def remember_beats(self, node: NodeIdentity, beats: int) -> None:
        """Let the node's row count at least so many heartbeats; enter one that stopped where there is none."""
        row = self._session.row(
            f"SELECT heartbeats FROM smart_cron_nodes WHERE node_name = %s{self._session.dialect.lock}", [node.name]
        )
        if row is not None:
            self._session.execute(
                "UPDATE smart_cron_nodes SET heartbeats = %s WHERE node_name = %s AND heartbeats < %s",
                [beats, node.name, beats],
            )
            return
        self._session.execute(
            f"""INSERT INTO smart_cron_nodes
                (node_name, identity, boot_id, host, version, max_concurrent, tags, heartbeats, stopped_at)
             VALUES (%s, %s, %s, %s, %s, %s, %s, %s, {self._session.dialect.now_expression})""",
            [
                node.name, node.identity, node.boot_id, node.host[:255], node.version, node.max_concurrent,
                ",".join(node.tags), beats,
            ],
        )  # fmt: skip
