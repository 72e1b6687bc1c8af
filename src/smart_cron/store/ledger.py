"""Reading what became of slots, at any length and in flat memory: the port `LedgerStore`.

Everything comes in pages by key, each a statement of its own: no read transaction stays open while somebody's pipe
is slow, and the last page costs what the first did.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from smart_cron.core.ledger import LedgerRange, LedgerRun, LedgerTask
from smart_cron.core.run import SlotOutcome, Status
from smart_cron.core.task_past import Change, Marks
from smart_cron.store.plans import DEFAULT_ZONE_MARK
from smart_cron.store.session import Session

_Word = TypeVar("_Word", Status, SlotOutcome)
# An SQL condition and its parameters.
_Condition = tuple[str, list[object]]
PAGE = 500
_RUN = """id, task_name, scheduled_for, attempt, status, error_message, reason, started_at, completed_at,
    execution_time, exit_code, term_signal, triggered_by, run_id, node, output_bytes, output_sha256, output_truncated,
    created_at, claimed_at, due_at, task_group, error_type, cancel_reason, requested_by, late,
    node_tag"""
_RANGE = "id, task_name, first_slot, last_slot, slot_count, outcome, reason, schedule_pattern, time_zone, recorded_at"
_EXECUTIONS, _RANGES = "smart_cron_executions", "smart_cron_skipped_slots"


class LedgerReads:
    """Reads executions, ranges and a task's past."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._instant, self._read = session.dialect.instant, session.dialect.read_instant
        # The index of a constraint has no name on SQLite, which takes it unasked.
        by_slot = "" if session.dialect.name == "sqlite" else session.dialect.force_index("smart_cron_executions_slot")
        self._by_slot = f"{_EXECUTIONS}{by_slot}"

    # tasks -------------------------------------------------------------------------------------------------

    def tasks(self) -> list[LedgerTask]:
        """Return every task that there is or of which history is kept, by name, then number."""
        known: dict[int, str] = dict(self._session.rows("SELECT id, task_name FROM smart_cron_tasks_config"))
        gone = {task_id for table in (_EXECUTIONS, _RANGES) for task_id in self._task_ids(table)} - known.keys()
        found = [LedgerTask(task_id=number, name=name, exists=True) for number, name in known.items()]
        found += [LedgerTask(task_id=number, name=self._kept_name(number), exists=False) for number in gone]
        return sorted(found, key=lambda task: (task.name, task.task_id))

    def _task_ids(self, table: str) -> Iterator[int]:
        """Yield the numbers in a long table by leaps through its index, some hundred a statement."""
        last: int | None = -1
        while last is not None:
            rows = self._session.rows(
                f"""WITH RECURSIVE leap(id, n) AS (
                    SELECT MIN(task_id), 1 FROM {table} WHERE task_id > %s
                    UNION ALL
                    SELECT (SELECT MIN(t.task_id) FROM {table} t WHERE t.task_id > leap.id), n + 1
                      FROM leap WHERE leap.id IS NOT NULL AND n < {PAGE})
                SELECT id FROM leap WHERE id IS NOT NULL ORDER BY id""",
                [last],
            )
            yield from (row[0] for row in rows)
            last = rows[-1][0] if len(rows) == PAGE else None

    def _kept_name(self, task_id: int) -> str:
        for table, order in ((_EXECUTIONS, "id"), (_RANGES, "last_slot")):
            sql = f"SELECT task_name FROM {table} WHERE task_id = %s ORDER BY {order} DESC LIMIT 1"
            row = self._session.row(sql, [task_id])
            if row is not None:
                return str(row[0])
        return f"task {task_id}"

    # executions --------------------------------------------------------------------------------------------

    def runs(self, task_id: int, *, since: datetime | None, until: datetime | None) -> Iterator[LedgerRun]:
        """Yield the executions of slots with since <= slot < until, by slot, then attempt."""
        lower, upper = self._from(since), self._before(until)
        while True:
            rows = self._session.rows(
                f"""SELECT {_RUN} FROM {self._by_slot} WHERE task_id = %s AND {lower[0]} AND {upper[0]}
                 ORDER BY scheduled_for, attempt LIMIT {PAGE}""",
                [task_id, *lower[1], *upper[1]],
            )
            # One by one: many ask for the first alone.
            yield from map(self._run, rows)
            if len(rows) < PAGE:
                return
            # In place of the first bound: with two of them SQLite may seek to the older, on every page.
            lower = self._behind(self._run(rows[-1]))

    def _from(self, since: datetime | None) -> _Condition:
        return ("scheduled_for IS NOT NULL", []) if since is None else ("scheduled_for >= %s", [self._instant(since)])

    def _before(self, until: datetime | None) -> _Condition:
        return ("1 = 1", []) if until is None else ("scheduled_for < %s", [self._instant(until)])

    def _behind(self, run: LedgerRun) -> _Condition:
        assert run.scheduled_for is not None
        mark = self._instant(run.scheduled_for)
        return "scheduled_for >= %s AND (scheduled_for > %s OR attempt > %s)", [mark, mark, run.attempt]

    def runs_by_hand(self, task_id: int, *, since: datetime | None, until: datetime | None) -> Iterator[LedgerRun]:
        """Yield the runs without a slot that were made in since <= instant < until, oldest first."""
        row = self._session.row(
            f"SELECT MAX(attempt) FROM {self._by_slot} WHERE task_id = %s AND scheduled_for IS NULL", [task_id]
        )
        attempts = range(1, (row[0] or 0) + 1 if row else 1)
        found = heapq.merge(*(self._attempts_by_hand(task_id, n) for n in attempts), key=lambda run: run.created_at)
        return (
            run
            for run in found
            if (since is None or run.created_at >= since) and (until is None or run.created_at < until)
        )

    def _attempts_by_hand(self, task_id: int, attempt: int) -> Iterator[LedgerRun]:
        """Yield them all: no index knows their time, and the interval must not make a statement long."""
        last = 0
        while True:
            rows = self._session.rows(
                f"""SELECT {_RUN} FROM {self._by_slot}
                 WHERE task_id = %s AND scheduled_for IS NULL AND attempt = %s AND id > %s ORDER BY id LIMIT {PAGE}""",
                [task_id, attempt, last],
            )
            yield from (self._run(row) for row in rows)
            if len(rows) < PAGE:
                return
            last = rows[-1][0]

    def started_slots(self, task_id: int, *, first: datetime, last: datetime) -> Iterator[datetime]:
        """Yield the slots in [first, last] that have an execution, in order."""
        after, comparison = first, ">="
        while True:
            rows = self._session.rows(
                f"""SELECT DISTINCT scheduled_for FROM {self._by_slot}
                 WHERE task_id = %s AND scheduled_for {comparison} %s AND scheduled_for <= %s
                 ORDER BY scheduled_for LIMIT {PAGE}""",
                [task_id, self._instant(after), self._instant(last)],
            )
            slots = [slot for row in rows if (slot := self._read(row[0])) is not None]
            yield from slots
            if len(slots) < PAGE:
                return
            after, comparison = slots[-1], ">"

    def last_slot(self, task_id: int, *, until: datetime) -> datetime | None:
        """Return the latest slot before *until* that has an outcome, or None."""
        mark = self._instant(until)
        ran = self._session.row(
            f"SELECT MAX(scheduled_for) FROM {self._by_slot} WHERE task_id = %s AND scheduled_for < %s",
            [task_id, mark],
        )
        not_run = self._session.row(
            f"SELECT MAX(last_slot) FROM {_RANGES} WHERE task_id = %s AND last_slot < %s", [task_id, mark]
        )
        slots = (self._read(row[0]) for row in (ran, not_run) if row)
        return max((slot for slot in slots if slot is not None), default=None)

    def _run(self, row: Sequence[Any]) -> LedgerRun:
        (
            number, task, slot, attempt, status, error, reason, started, completed, duration, exit_code, term_signal,
            triggered_by, run_id, node, output_bytes, sha256, truncated, created, claimed, due, group, error_type,
            cancel_reason, requested_by, late, node_tag,
        ) = row  # fmt: skip
        created_at = self._read(created) or self._read(slot)
        assert created_at is not None
        return LedgerRun(
            execution_id=number,
            task=task,
            scheduled_for=self._read(slot),
            attempt=attempt,
            status=_word(Status, status),
            reason=error or reason,
            started_at=self._read(started),
            completed_at=self._read(completed),
            duration=duration,
            exit_code=exit_code,
            term_signal=term_signal,
            triggered_by=triggered_by,
            run_id=run_id,
            node=node,
            output_bytes=output_bytes,
            output_sha256=sha256,
            output_truncated=bool(truncated),
            created_at=created_at,
            claimed_at=self._read(claimed),
            due_at=self._read(due),
            group=group,
            error_type=error_type,
            cancel_reason=cancel_reason,
            requested_by=requested_by,
            late=bool(late),
            node_tag=node_tag,
        )

    # slots that did not run --------------------------------------------------------------------------------

    def ranges(self, task_id: int, *, since: datetime | None, until: datetime | None) -> Iterator[LedgerRange]:
        """Yield the ranges that reach into since <= slot < until, in order: ranges of a task do not overlap."""
        last, number = since, 0
        while True:
            rows = self._ranges_from(task_id, last, number)
            for row in rows:
                found = self._range(row)
                if found is not None and until is not None and found.first >= until:
                    return
                if found is not None:
                    yield found
            if len(rows) < PAGE:
                return
            last, number = self._read(rows[-1][3]), rows[-1][0]

    def _ranges_from(self, task_id: int, last: datetime | None, number: int) -> list[tuple[Any, ...]]:
        bound, params = "last_slot IS NOT NULL", []
        if last is not None:
            mark = self._instant(last)
            bound, params = "last_slot >= %s AND (last_slot > %s OR id > %s)", [mark, mark, number]
        return self._session.rows(
            f"SELECT {_RANGE} FROM {_RANGES} WHERE task_id = %s AND {bound} ORDER BY last_slot, id LIMIT {PAGE}",
            [task_id, *params],
        )

    def _range(self, row: Sequence[Any]) -> LedgerRange | None:
        _, task, first_slot, last_slot, count, outcome, reason, schedule, zone, recorded = row
        first, last = self._read(first_slot), self._read(last_slot)
        if first is None or last is None:
            return None  # Put there by SQL: a range without ends holds no slot.
        return LedgerRange(
            task=task,
            first=first,
            last=last,
            count=count,
            outcome=_word(SlotOutcome, outcome),
            reason=reason,
            schedule=schedule,
            zone=zone,
            recorded_at=self._read(recorded),
        )

    # a task's past -----------------------------------------------------------------------------------------

    def changes(self, task_id: int) -> list[Change]:
        """Return who changed the definition, when and how, oldest first; by SQL when it was noticed."""
        rows = self._session.rows(
            """SELECT created_at, actor, action, entity_name, old_values, new_values FROM smart_cron_audit_log
             WHERE entity_type = 'task' AND entity_id = %s ORDER BY id""",
            [task_id],
        )
        return [
            Change(at=at, actor=row[1], action=row[2], name=row[3] or "", old=_values(row[4]), new=_values(row[5]))
            for row in rows
            if (at := self._read(row[0])) is not None
        ]

    def marks(self, task_id: int) -> Marks | None:
        """Return what planning last saw of the task, or None where it was deleted."""
        row = self._session.row(
            """SELECT planned_pattern, planned_zone, planned_enabled, accounted_until, next_run_at, planned_next_run_at,
                created_at, invalid_reason
             FROM smart_cron_tasks_config WHERE id = %s""",
            [task_id],
        )
        if row is None:
            return None
        return Marks(
            schedule=row[0],
            zone=row[1] and row[1].removeprefix(DEFAULT_ZONE_MARK),
            enabled=None if row[2] is None else bool(row[2]),
            accounted_until=self._read(row[3]),
            next_run_at=self._read(row[4]),
            planned_next_run_at=self._read(row[5]),
            created_at=self._read(row[6]),
            invalid_reason=row[7],
        )


def _word(words: type[_Word], raw: str) -> _Word | str:
    """Return a word that we know, or the text that SQL put in its place: one such row must not hide the others."""
    try:
        return words(raw)
    except ValueError:
        return raw


def _values(text: str | None) -> Mapping[str, object]:
    """Return an audit row's values; one that was cut to fit its column says nothing."""
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
