"""Alerts that stand for a state and are over when it is: the port `IncidentStore`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from smart_cron.core.alert_rules import FAILURES_RESET, TASK_DISABLED, TASK_REMOVED
from smart_cron.core.audit import BY_SQL
from smart_cron.store.audit import Audit
from smart_cron.store.bulk import placeholders
from smart_cron.store.session import Session

_CHUNK = 500


class Incidents:
    """Resolves what is over; counts failures in a row anew."""

    def __init__(self, session: Session, audit: Audit) -> None:
        self._session, self._audit = session, audit

    def resolve_recovered(self) -> list[str]:
        """Resolve open `consecutive_failures` of tasks whose count is 0; return their names.

        What stands open of tasks that SQL deleted or switched off is resolved, too. People did all that: no message.
        A run that succeeds resolves the alert together with the count, so a count of 0 beside it is SQL's, and audited.
        """
        self._close_removed()
        found = self._reset()
        for number, name, task_id in found:
            self._session.again(partial(self._note_reset, number, name, task_id))
        return sorted({name for _, name, _ in found})

    def _reset(self) -> list[tuple[Any, ...]]:
        return self._open(
            "JOIN smart_cron_tasks_config t ON t.id = a.task_id",
            "a.alert_type = 'consecutive_failures' AND t.consecutive_failures = 0",
        )

    def _note_reset(self, number: int, name: str, task_id: int) -> None:
        # Another node may have been faster.
        if self._resolve_reset([number]):
            new = {"consecutive_failures": 0}
            self._audit.note("reset failures", actor=BY_SQL, entity=("task", task_id, name), new=new)

    def _resolve_reset(self, numbers: Sequence[int]) -> int:
        return self._resolve(numbers, by=FAILURES_RESET, unless="t.consecutive_failures > 0")

    def _open(self, join: str, where: str) -> list[tuple[Any, ...]]:
        """Return (alert id, task name, whether the task is there) of open alerts of tasks."""
        open_alerts = self._session.dialect.force_index("smart_cron_alerts_open")
        # On MariaDB and MySQL the index is of all alerts, and their planner knows best from which side to come.
        index = open_alerts if self._session.dialect.name == "sqlite" else ""
        return self._session.rows(
            f"SELECT a.id, t.task_name, t.id FROM smart_cron_alerts a{index} {join} WHERE a.resolved = 0 AND {where}"
        )

    def _close_removed(self) -> None:
        found = self._open(
            "LEFT JOIN smart_cron_tasks_config t ON t.id = a.task_id",
            "a.task_id IS NOT NULL AND (t.id IS NULL OR t.enabled = 0)",
        )
        gone = [number for number, _, task_id in found if task_id is None]
        off = [number for number, _, task_id in found if task_id is not None]
        self._resolve(gone, by=TASK_REMOVED, unless="t.enabled <> 0")
        self._resolve(off, by=TASK_DISABLED, unless="t.enabled <> 0")

    def _resolve(self, numbers: Sequence[int], *, by: str, unless: str) -> int:
        """Asked again in the very statement: the task may have failed, and counted up its alert, in between."""
        ids, now, resolved = sorted(numbers), self._session.dialect.now_expression, 0
        for begin in range(0, len(ids), _CHUNK):
            some = ids[begin : begin + _CHUNK]
            resolved += self._session.execute(
                f"""UPDATE smart_cron_alerts SET resolved = 1, resolved_at = {now}, resolved_by = %s, untold = 0
                 WHERE id IN ({placeholders(some)}) AND resolved = 0 AND NOT EXISTS (
                    SELECT 1 FROM smart_cron_tasks_config t WHERE t.id = smart_cron_alerts.task_id AND {unless})""",
                [by, *some],
            )
        return resolved

    def failing(self) -> int:
        """Return how many tasks failed the last time or more often in a row."""
        return len(self._session.rows("SELECT id FROM smart_cron_tasks_config WHERE consecutive_failures > 0"))

    def reset_failures(self, *, actor: str) -> int:
        """Set `consecutive_failures` to 0, with an audit row each, and resolve what stood for it; return how many."""
        return self._session.again(lambda: self._reset_failures(actor))

    def _reset_failures(self, actor: str) -> int:
        rows = self._session.rows(
            f"""SELECT id, task_name, consecutive_failures FROM smart_cron_tasks_config
             WHERE consecutive_failures > 0 ORDER BY id{self._session.dialect.lock}"""
        )
        if rows:
            self._session.execute(
                "UPDATE smart_cron_tasks_config SET consecutive_failures = 0 WHERE consecutive_failures > 0"
            )
        for number, name, count in rows:
            old, new = {"consecutive_failures": count}, {"consecutive_failures": 0}
            self._audit.note("reset failures", actor=actor, entity=("task", number, name), old=old, new=new)
        self._close_removed()
        self._resolve_reset([number for number, _, _ in self._reset()])
        return len(rows)
