"""What waits, lane by lane, read in the order of the index: nothing in one lane stands in the way of another.

A lane is what may start anywhere, what makes up for old slots (rate-limited), or either of them bound to a tag.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import merge
from typing import Any

from smart_cron.core.run import WaitingRun
from smart_cron.store.bulk import placeholders
from smart_cron.store.queues import CATCH_UP_LANE, LOWEST_PRIORITY, TAGGED_LANE
from smart_cron.store.session import Session

_COLUMNS = "id, task_id, task_group, start_before, queue_rank, due_at"
# While anything is held back nothing waits for a place.
_UNLESS_HELD = "NOT EXISTS (SELECT 1 FROM smart_cron_holds)"


class Lanes:
    """Locks the most urgent waiting executions. Every call belongs inside a transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._read = session.dialect.read_instant
        self._table = f"smart_cron_executions{session.dialect.force_index('smart_cron_executions_queue')}"

    def lock(self, *, limit: int, tags: Sequence[str], catch_ups: int) -> list[WaitingRun]:
        """Lock and return at most *limit* by priority, then due time, then id; at most *catch_ups* of old slots."""
        lanes = [self._lane(0, limit, ())]
        if catch_ups:
            lanes.append(self._lane(CATCH_UP_LANE, min(limit, catch_ups), ()))
        if tags:
            lanes.append(self._lane(TAGGED_LANE, limit, tags))
        if tags and catch_ups:
            lanes.append(self._lane(TAGGED_LANE + CATCH_UP_LANE, min(limit, catch_ups), tags))
        filled = [lane for lane in lanes if lane]
        rows = filled[0] if len(filled) == 1 else list(merge(*filled, key=_urgency))
        return _at_most(limit, catch_ups, (self._waiting_run(row) for row in rows))

    def _lane(self, lane: int, limit: int, tags: Sequence[str]) -> list[tuple[Any, ...]]:
        # The index is in the very order asked for: a sort would lock every waiting row on InnoDB.
        tagged = f" AND node_tag IN ({placeholders(tags)})" if tags else ""
        return self._session.rows(
            f"""SELECT {_COLUMNS} FROM {self._table}
             WHERE queue_rank BETWEEN {lane + 1} AND {lane + LOWEST_PRIORITY}{tagged} AND {_UNLESS_HELD}
             ORDER BY queue_rank, due_at, id LIMIT %s{self._session.dialect.lock_skipping}""",
            [*tags, limit],
        )

    def lock_one(self, execution_id: int, *, tags: Sequence[str]) -> list[WaitingRun]:
        """Lock and return this execution alone, whatever its lane, where it waits and may run here."""
        tagged = f" OR node_tag IN ({placeholders(tags)})" if tags else ""
        rows = self._session.rows(
            f"""SELECT {_COLUMNS} FROM smart_cron_executions
             WHERE id = %s AND queue_rank >= 1 AND (node_tag IS NULL{tagged})
               AND {_UNLESS_HELD}{self._session.dialect.lock_skipping}""",
            [execution_id, *tags],
        )
        return [self._waiting_run(row) for row in rows]

    def any_catch_up(self) -> bool:
        """Whether an old slot waits to be made up for."""
        lanes = (CATCH_UP_LANE, TAGGED_LANE + CATCH_UP_LANE)
        ranks = " OR ".join(f"queue_rank BETWEEN {lane + 1} AND {lane + LOWEST_PRIORITY}" for lane in lanes)
        return self._session.row(f"SELECT 1 FROM {self._table} WHERE {ranks} LIMIT 1") is not None

    def _waiting_run(self, row: Sequence[Any]) -> WaitingRun:
        return WaitingRun(
            execution_id=row[0],
            task_id=row[1],
            group=row[2],
            start_before=self._read(row[3]),
            is_catch_up=_is_catch_up(row),
        )


def _is_catch_up(row: Sequence[Any]) -> bool:
    return bool(row[4] % TAGGED_LANE > CATCH_UP_LANE)


def _urgency(row: Sequence[Any]) -> tuple[Any, ...]:
    return (row[4] % CATCH_UP_LANE, row[5], row[0])


def _at_most(limit: int, catch_ups: int, runs: Iterable[WaitingRun]) -> list[WaitingRun]:
    taken: list[WaitingRun] = []
    for run in runs:
        if run.is_catch_up:
            if not catch_ups:
                continue
            catch_ups -= 1
        taken.append(run)
        if len(taken) == limit:
            break
    return taken
