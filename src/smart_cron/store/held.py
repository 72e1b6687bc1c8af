"""Slots that wait for a person, since their task's `on_missed` is `hold`: the port `HeldStore`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from smart_cron.core.held import HeldRange, Piece, pieces
from smart_cron.core.ledger import LedgerRange, unfold
from smart_cron.core.run import SlotOutcome, Status, Trigger
from smart_cron.core.task import OnOverlap
from smart_cron.store import plan_rows, record_rows
from smart_cron.store.audit import Audit
from smart_cron.store.queues import clamped
from smart_cron.store.releases import Releases
from smart_cron.store.session import Session

_COLUMNS = "id, task_id, task_name, first_slot, last_slot, slot_count, reason, schedule_pattern, time_zone, recorded_at"


class HeldSlots:
    """Lists held ranges, and lets slots out of them: to run, or for good."""

    def __init__(self, session: Session, releases: Releases, audit: Audit) -> None:
        self._session, self._releases, self._audit = session, releases, audit
        self._instant, self._read = session.dialect.instant, session.dialect.read_instant

    def held(self, task_id: int | None = None) -> Sequence[HeldRange]:
        """Return the ranges of held slots, of one task or of all, oldest first."""
        which, params = ("", []) if task_id is None else (" AND task_id = %s", [task_id])
        rows = self._session.rows(
            f"""SELECT {_COLUMNS} FROM smart_cron_skipped_slots
             WHERE outcome = 'held'{which} ORDER BY first_slot, id""",
            params,
        )
        return [self._range(row) for row in rows]

    def _range(self, row: Sequence[Any]) -> HeldRange:
        first, last = self._read(row[3]), self._read(row[4])
        assert first is not None
        assert last is not None
        stored = LedgerRange(
            task=row[2],
            first=first,
            last=last,
            count=row[5],
            outcome=SlotOutcome.HELD,
            reason=row[6],
            schedule=row[7],
            zone=row[8],
            recorded_at=self._read(row[9]),
        )
        return HeldRange(number=row[0], task_id=row[1], range=stored)

    def slots(self, task_id: int) -> Sequence[datetime]:
        """Return every held slot of a task, range by range."""
        ran = self._ran_in(task_id)
        return [slot for held in self.held(task_id) for slot in unfold(held.range, ran=ran)]

    def run(self, task_id: int, slots: AbstractSet[datetime], *, actor: str, now: datetime) -> int:
        """Turn these held slots into executions, oldest first; return how many were held."""
        return self._session.again(lambda: self._decide(task_id, slots, actor, now, run=True))

    def drop(self, task_id: int, slots: AbstractSet[datetime], *, actor: str, now: datetime) -> int:
        """Record these held slots as skipped for good; return how many were held."""
        return self._session.again(lambda: self._decide(task_id, slots, actor, now, run=False))

    def _decide(self, task_id: int, slots: AbstractSet[datetime], actor: str, now: datetime, *, run: bool) -> int:
        self._releases.lock_tasks([task_id])
        decided: list[datetime] = []
        for held in self.held(task_id):
            decided += self._let_out(held, slots, f"dropped by {actor}", now, run=run)
        if run:
            self._start(task_id, decided, actor, now)
        if decided:
            name = self._name_of(task_id)
            shown = {"slots": len(decided), "first": decided[0].isoformat(), "last": decided[-1].isoformat()}
            self._audit.note("run held" if run else "drop held", actor=actor, entity=("task", task_id, name), new=shown)
        return len(decided)

    def _name_of(self, task_id: int) -> str:
        row = self._session.row("SELECT task_name FROM smart_cron_tasks_config WHERE id = %s", [task_id])
        return str(row[0]) if row else ""

    def _let_out(
        self, held: HeldRange, slots: AbstractSet[datetime], reason: str, now: datetime, *, run: bool
    ) -> list[datetime]:
        """Take the chosen slots out of one range and return them; what is left of it is written anew."""
        every = list(unfold(held.range, ran=self._ran_in(held.task_id)))
        chosen = [slot for slot in every if slot in slots]
        if not chosen:
            return []
        self._session.execute("DELETE FROM smart_cron_skipped_slots WHERE id = %s", [held.number])
        kept = [piece for piece in pieces(every, frozenset(chosen)) if not (run and piece.chosen)]
        plan_rows.ADD_RANGES.run(self._session, [self._row(held, piece, reason, now) for piece in kept])
        return chosen

    def _row(self, held: HeldRange, piece: Piece, reason: str, now: datetime) -> dict[str, object]:
        stored = held.range
        return {
            "task_id": held.task_id,
            "task_name": stored.task,
            "first_slot": self._instant(piece.first),
            "last_slot": self._instant(piece.last),
            "slot_count": piece.count,
            "outcome": str(SlotOutcome.SKIPPED if piece.chosen else SlotOutcome.HELD),
            "reason": reason[:255] if piece.chosen else stored.reason,
            "schedule_pattern": stored.schedule,
            "time_zone": stored.zone,
            "recorded_at": self._instant(now if piece.chosen else stored.recorded_at or now),
        }

    def _ran_in(self, task_id: int) -> Callable[[datetime, datetime], Iterable[datetime]]:
        def ran(first: datetime, last: datetime) -> Iterable[datetime]:
            rows = self._session.rows(
                """SELECT DISTINCT scheduled_for FROM smart_cron_executions
                 WHERE task_id = %s AND scheduled_for >= %s AND scheduled_for <= %s ORDER BY scheduled_for""",
                [task_id, self._instant(first), self._instant(last)],
            )
            return [slot for (raw,) in rows if (slot := self._read(raw)) is not None]

        return ran

    def _start(self, task_id: int, slots: Sequence[datetime], actor: str, now: datetime) -> None:
        """Make an execution for each: the first may go, the others stand behind it where the task's policy says so."""
        row = self._session.row(
            "SELECT task_name, priority, task_group, node_tag, on_overlap FROM smart_cron_tasks_config WHERE id = %s",
            [task_id],
        )
        if row is None:
            return
        name, priority, group, tag, on_overlap = row
        busy = bool(self._releases.in_the_way([task_id]))
        shared: dict[str, object] = {
            "task_id": task_id,
            "task_name": name,
            "attempt": 1,
            "priority": clamped(priority),
            "task_group": group,
            "node_tag": tag,
            "requested_by": actor[:100],
            "triggered_by": str(Trigger.MANUAL),
            "created_at": self._instant(now),
        }
        rows = []
        for slot in slots:
            status = Status.QUEUED if busy and on_overlap != OnOverlap.ALLOW else Status.WAITING
            at = self._instant(slot)
            rows.append({**shared, "scheduled_for": at, "due_at": at, "status": str(status), "run_arguments": None})
            busy = True
        record_rows.ADD_RETRIES.run(self._session, rows)
