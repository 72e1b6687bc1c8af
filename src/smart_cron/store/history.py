"""Reading executions: the port `HistoryStore`. Pages go by id, so that every page costs the same at any depth."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from smart_cron.core.errors import UnknownRunError
from smart_cron.core.run import ACTIVE_STATUSES, ErrorType, SlotOutcome, SlotRange, Status
from smart_cron.store.audit import Audit
from smart_cron.store.bulk import placeholders
from smart_cron.store.models import Execution
from smart_cron.store.queues import DELAYED_RANK, FAILURES, quoted
from smart_cron.store.releases import Releases
from smart_cron.store.session import Session

# `_meta` is Django's documented interface in spite of its name.
_FIELDS = Execution._meta.fields  # noqa: SLF001
_INSTANTS = frozenset(field.attname for field in _FIELDS if field.get_internal_type() == "DateTimeField")
_GENERATED = frozenset({"queue_rank", "active_task_id", "failure_status"})
_OUTPUT = frozenset({"stdout_output", "stderr_output"})
_ALL = [field.attname for field in _FIELDS if field.attname not in _GENERATED]
_WHOLE = ", ".join(_ALL)
_ACTIVE = quoted(status for status in Status if status in ACTIVE_STATUSES)
BRIEF = ", ".join(name for name in _ALL if name not in _OUTPUT)


class History:
    """Reads runs and slots that did not run; takes wishes to end a run."""

    def __init__(self, session: Session, releases: Releases, audit: Audit) -> None:
        self._session, self._releases, self._audit = session, releases, audit
        self._read = session.dialect.read_instant

    def runs(
        self,
        *,
        task_id: int | None = None,
        statuses: Sequence[Status] | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[dict[str, Any]]:
        """Return executions, newest first, without their output columns."""
        if statuses is None or task_id is not None:
            return self._page(*_by_task(task_id, statuses), before_id=before_id, limit=limit)
        # Rare states have indexes of their own: one page from each, merged, and never a walk over all rows.
        pages = [self._page(*way, before_id=before_id, limit=limit) for way in _ways(statuses)]
        merged = heapq.merge(*pages, key=lambda row: int(row["id"]), reverse=True)
        return list(merged)[:limit]

    def _page(
        self, index: str, condition: str, params: Sequence[object], *, before_id: int | None, limit: int
    ) -> list[dict[str, Any]]:
        older, bound = (" AND id < %s", [before_id]) if before_id is not None else ("", [])
        return self._rows(
            f"""SELECT {BRIEF} FROM smart_cron_executions{self._session.dialect.force_index(index) if index else ""}
             WHERE {condition}{older} ORDER BY id DESC LIMIT %s""",
            [*params, *bound, limit],
        )

    def run(self, run: str) -> dict[str, Any]:
        """Return one execution by its number or run id. Raise UnknownRunError where there is none."""
        column, value = by_number_or_run_id(run)
        rows = self._rows(f"SELECT {_WHOLE} FROM smart_cron_executions WHERE {column} = %s", [value])
        if not rows:
            raise UnknownRunError(run)
        return rows[0]

    def since(self, *, after_id: int, limit: int) -> Iterator[dict[str, Any]]:
        """Yield executions younger than *after_id*, oldest first."""
        yield from self._rows(
            f"SELECT {BRIEF} FROM smart_cron_executions WHERE id > %s ORDER BY id LIMIT %s", [after_id, limit]
        )

    def not_run(self, *, task_id: int, limit: int = 50) -> list[SlotRange]:
        """Return ranges of slots that did not run, newest first."""
        rows = self._session.rows(
            """SELECT first_slot, last_slot, slot_count, outcome, reason FROM smart_cron_skipped_slots
             WHERE task_id = %s ORDER BY last_slot DESC LIMIT %s""",
            [task_id, limit],
        )
        return [self._range(row) for row in rows]

    def _range(self, row: tuple[Any, ...]) -> SlotRange:
        first, last = self._read(row[0]), self._read(row[1])
        assert first is not None
        assert last is not None
        return SlotRange(first=first, last=last, count=row[2], outcome=SlotOutcome(row[3]), reason=row[4])

    def request_cancel(
        self, execution_id: int, *, reason: ErrorType, actor: str, now: datetime, note: str = ""
    ) -> bool:
        """Ask for the end of a run; one that has not started is settled as killed at once. False if it is final.

        *note* is what the actor says to it.
        """
        return self._session.again(lambda: self._request_cancel(execution_id, reason, actor, now, note))

    def _request_cancel(self, execution_id: int, reason: ErrorType, actor: str, now: datetime, note: str) -> bool:
        row = self._session.row("SELECT task_id, task_name FROM smart_cron_executions WHERE id = %s", [execution_id])
        if row is None:
            raise UnknownRunError(str(execution_id))
        self._releases.lock_tasks([row[0]])
        open_now = self._session.row(
            f"""SELECT cancel_reason FROM smart_cron_executions
             WHERE id = %s AND status IN ({_ACTIVE}){self._session.dialect.lock}""",
            [execution_id],
        )
        if open_now is None:
            return False
        self._releases.cancel([execution_id], reason=reason, now=now)
        entity = ("execution", execution_id, row[1])
        self._audit.note(
            "cancel", actor=actor, entity=entity, new={"reason": str(reason), **({"note": note} if note else {})}
        )
        return True

    def _rows(self, sql: str, params: Sequence[object]) -> list[dict[str, Any]]:
        return executions(self._session, sql, params)


def executions(session: Session, sql: str, params: Sequence[object]) -> list[dict[str, Any]]:
    """Return executions as dictionaries by column, instants aware and in UTC."""
    rows = session.dictionaries(sql, params)
    for row in rows:
        for name in _INSTANTS & row.keys():
            row[name] = session.dialect.read_instant(row[name])
    return rows


def by_number_or_run_id(run: str) -> tuple[str, int | str]:
    """Return the column and the value that finds a run."""
    by_number = run.isascii() and run.isdigit() and len(run) < 19
    return ("id", int(run)) if by_number else ("run_id", run)


def _by_task(task_id: int | None, statuses: Sequence[Status] | None) -> tuple[str, str, list[object]]:
    if task_id is None:
        return "", "1 = 1", []
    if statuses is None:
        return "smart_cron_executions_task", "task_id = %s", [task_id]
    return (
        "smart_cron_executions_task",
        f"task_id = %s AND status IN ({placeholders(statuses)})",
        [task_id, *map(str, statuses)],
    )


def _ways(statuses: Sequence[Status]) -> Iterator[tuple[str, str, list[object]]]:
    """Yield index, condition and parameters of a read for each status."""
    for status in dict.fromkeys(statuses):
        if status is Status.DELAYED:
            yield "smart_cron_executions_queue", "queue_rank = %s", [DELAYED_RANK]
        elif status in FAILURES:
            yield "smart_cron_executions_failed", "failure_status = %s", [str(status)]
        elif status in ACTIVE_STATUSES:
            yield "smart_cron_executions_active", "active_task_id IS NOT NULL AND status = %s", [str(status)]
        else:
            yield "", "status = %s", [str(status)]
