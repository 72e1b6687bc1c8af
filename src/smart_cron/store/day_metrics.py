"""Hours of metrics made into days, exactly: everything in them adds up, histograms too (`core.rollup.merge`).

Hours may come to their day one by one, and late ones after it was made; in each transaction what was added to the day
is gone from the hours, so nothing counts twice, however often this is interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from smart_cron.core.rollup import Period, Rollup, day_of, merge
from smart_cron.store.bulk import UpdateEach, placeholders
from smart_cron.store.dialects import INT
from smart_cron.store.rollups import OPEN, READ, VALUES, rollup_of, values_of
from smart_cron.store.session import Session
from smart_cron.store.total_gate import reopen

_SET = UpdateEach(
    table="smart_cron_metrics",
    columns=(("id", INT), *VALUES),
    sets=", ".join(f"{name} = {{{name}}}" for name, _ in VALUES),
    where="t.id = {id}",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of metrics."""

    id: int
    task_name: str
    node: str
    rollup: Rollup

    @property
    def key(self) -> tuple[datetime, str]:
        """The day and node that it belongs to."""
        return day_of(self.rollup.bucket_at), self.node


def is_free(session: Session, task_id: int) -> bool:
    """Lock the task where nobody else has; a task that is gone is free."""
    if session.row(f"SELECT id FROM smart_cron_tasks_config WHERE id = %s{session.dialect.lock_skipping}", [task_id]):
        return True
    return not session.row("SELECT id FROM smart_cron_tasks_config WHERE id = %s", [task_id])


def hours_of(session: Session, task_id: int, before: datetime, limit: int) -> list[Row]:
    """Return the task's earliest hours before this instant, no more than *limit*."""
    return _rows(
        session,
        f"period = 'hour' AND bucket_at < %s ORDER BY bucket_at, id LIMIT {limit:d}",
        [task_id, session.dialect.instant(before)],
    )


def add_to_days(session: Session, task_id: int, hours: Sequence[Row]) -> int:
    """Add these hours of a task, which is locked, to their days, and delete them; return how many there were."""
    days = sorted({hour.key for hour in hours})
    there = {row.key: row for row in _days(session, task_id, [day for day, _ in days])}
    known, fresh = [], []
    for key in days:
        before = there.get(key)
        parts = [hour for hour in hours if hour.key == key]
        row = values_of(merge([each.rollup for each in ([before] if before else []) + parts], bucket_at=key[0]))
        row["task_name"] = parts[-1].task_name
        if before:
            known.append(row | {"id": before.id})
        else:
            identity = {"period": Period.DAY.value, "bucket_at": session.dialect.instant(key[0]), "node": key[1]}
            fresh.append(row | identity | {"task_id": task_id})
    _SET.run(session, known)
    OPEN.run(session, fresh)
    ids = [hour.id for hour in hours]
    gone = session.execute(f"DELETE FROM smart_cron_metrics WHERE id IN ({placeholders(ids)})", ids)
    reopen(session, {hour.rollup.bucket_at for hour in hours}, of_days=True)
    return gone


def _days(session: Session, task_id: int, days: Sequence[datetime]) -> list[Row]:
    instants = [session.dialect.instant(day) for day in days]
    return _rows(session, f"period = 'day' AND bucket_at IN ({placeholders(instants)})", [task_id, *instants])


def _rows(session: Session, tail: str, params: Sequence[object]) -> list[Row]:
    rows = session.rows(
        f"SELECT id, task_name, node, {', '.join(READ)} FROM smart_cron_metrics WHERE task_id = %s AND {tail}", params
    )
    return [Row(id=row[0], task_name=row[1], node=row[2], rollup=rollup_of(session, row[3:])) for row in rows]
