"""Alert rows: written with their cause, in its transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from smart_cron.core.run import AlertDraft, Settlement
from smart_cron.store.bulk import InsertEach, UpdateEach, placeholders
from smart_cron.store.dialects import INSTANT, INT, TEXT
from smart_cron.store.record_rows import MESSAGE_CHARACTERS, fitting
from smart_cron.store.session import Session

_COUNT_UP = UpdateEach(
    table="smart_cron_alerts",
    columns=(
        ("id", INT),
        ("execution_id", INT),
        ("severity", TEXT),
        ("message", TEXT),
        ("occurrences", INT),
        ("now", INSTANT),
    ),
    sets="""occurrences = t.occurrences + {occurrences}, last_occurred_at = {now}, message = {message},
        severity = {severity}, execution_id = {execution_id}""",
    where="t.id = {id}",
)
_RAISE = InsertEach(
    table="smart_cron_alerts",
    columns=(
        ("task_id", INT),
        ("task_name", TEXT),
        ("execution_id", INT),
        ("alert_type", TEXT),
        ("severity", TEXT),
        ("message", TEXT),
        ("occurrences", INT),
        ("created_at", INSTANT),
        ("last_occurred_at", INSTANT),
    ),
)


class Alerts:
    """Raises alerts; one that is open for the same task and type is counted up instead."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def raise_for(self, settlements: Sequence[Settlement], *, now: datetime) -> None:
        """Write the alerts of these outcomes. Their tasks are locked, so that two never open the same one."""
        drafts: dict[tuple[int, str], tuple[Settlement, AlertDraft, int]] = {}
        for settlement in settlements:
            for draft in settlement.alerts:
                key = (settlement.run.task_id, draft.alert_type)
                count = drafts[key][2] if key in drafts else 0
                drafts[key] = (settlement, draft, count + 1)
        if drafts:
            self._write(drafts, self._session.dialect.instant(now))

    def _write(self, drafts: dict[tuple[int, str], tuple[Settlement, AlertDraft, int]], now: str) -> None:
        opened = self._opened(sorted({task_id for task_id, _ in drafts}))
        again, fresh = [], []
        for (task_id, alert_type), (settlement, draft, count) in sorted(drafts.items(), key=lambda item: item[0]):
            row: dict[str, object] = {
                "execution_id": settlement.run.execution_id,
                "severity": draft.severity,
                "message": (fitting(draft.message) or "")[:MESSAGE_CHARACTERS],
                "occurrences": count,
            }
            if (task_id, alert_type) in opened:
                again.append(row | {"id": opened[task_id, alert_type], "now": now})
            else:
                name = settlement.run.task_name
                row |= {"task_id": task_id, "task_name": name, "alert_type": alert_type}
                fresh.append(row | {"created_at": now, "last_occurred_at": now})
        _COUNT_UP.run(self._session, again)
        _RAISE.run(self._session, fresh)

    def resolve_recovered(self, settlements: Sequence[Settlement], *, now: datetime) -> None:
        """Resolve what stood open of these tasks, since they succeeded."""

    def _opened(self, task_ids: Sequence[int]) -> dict[tuple[int, str], int]:
        rows = self._session.rows(
            f"""SELECT task_id, alert_type, id FROM smart_cron_alerts
             WHERE task_id IN ({placeholders(task_ids)}) AND resolved = 0 ORDER BY id""",
            list(task_ids),
        )
        return {(task_id, alert_type): number for task_id, alert_type, number in rows}
