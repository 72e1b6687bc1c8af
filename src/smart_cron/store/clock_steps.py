"""What becomes of rows about the future when the wall clock is set back: they did not happen, executions did."""

from __future__ import annotations

from datetime import datetime

from smart_cron.core.due_slots import DueSlots, Rhythm
from smart_cron.core.errors import InvalidInputError
from smart_cron.store.bulk import UpdateEach
from smart_cron.store.dialects import INSTANT, INT
from smart_cron.store.queues import DELAYED_RANK
from smart_cron.store.session import Session

_MOVE_RETRY = UpdateEach(
    table="smart_cron_executions",
    columns=(("id", INT), ("due_at", INSTANT)),
    sets="due_at = {due_at}",
    where="t.id = {id} AND t.status = 'delayed'",
)


class ClockSteps:
    """Withdraws what was written of a time that is still to come. Every write belongs inside a transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._instant, self._read = session.dialect.instant, session.dialect.read_instant

    def forget_marks(self, beyond: datetime) -> int:
        """Make tasks that are accounted for beyond this instant count as changed; return how many there were."""
        return self._session.execute(
            """UPDATE smart_cron_tasks_config SET planned_policy = NULL
             WHERE accounted_until > %s AND invalid_reason IS NULL""",
            [self._instant(beyond)],
        )

    def hasten_retries(self, *, now: datetime, beyond: datetime) -> None:
        """Let retries that were made beyond this instant wait their delay from *now*."""
        rows = self._session.rows(
            f"""SELECT id, created_at, due_at
              FROM smart_cron_executions{self._session.dialect.force_index("smart_cron_executions_queue")}
             WHERE queue_rank = %s AND created_at > %s""",
            [DELAYED_RANK, self._instant(beyond)],
        )
        moved = []
        for number, made, due in rows:
            made_at, due_at = self._read(made), self._read(due)
            if made_at and due_at:
                moved.append({"id": number, "due_at": self._instant(now + (due_at - made_at))})
        _MOVE_RETRY.run(self._session, moved)

    def withdraw_ranges(self, task_id: int, mark: datetime) -> None:
        """Take back the slots after *mark* from the task's ranges; a range that begins before it keeps its head."""
        self._session.execute(
            "DELETE FROM smart_cron_skipped_slots WHERE task_id = %s AND first_slot > %s",
            [task_id, self._instant(mark)],
        )
        rows = self._session.rows(
            """SELECT id, first_slot, schedule_pattern, time_zone FROM smart_cron_skipped_slots
             WHERE task_id = %s AND last_slot > %s""",
            [task_id, self._instant(mark)],
        )
        for number, first, pattern, zone in rows:
            begin = self._read(first)
            if begin is not None:
                kept = _kept(begin, mark, pattern, zone).without(self._started(task_id, begin, mark))
                self._cut(number, begin, kept)

    def _started(self, task_id: int, first: datetime, last: datetime) -> set[datetime]:
        """Return the slots in the stretch that have an execution: a range may reach across them."""
        rows = self._session.rows(
            """SELECT DISTINCT scheduled_for FROM smart_cron_executions
             WHERE task_id = %s AND scheduled_for >= %s AND scheduled_for <= %s""",
            [task_id, self._instant(first), self._instant(last)],
        )
        return {slot for (raw,) in rows if (slot := self._read(raw)) is not None}

    def _cut(self, number: int, first: datetime, kept: DueSlots) -> None:
        self._session.execute(
            "UPDATE smart_cron_skipped_slots SET last_slot = %s, slot_count = %s WHERE id = %s",
            [self._instant(kept.newest or first), max(kept.count, 1), number],
        )


def _kept(first: datetime, mark: datetime, pattern: str, zone: str) -> DueSlots:
    """Return the slots from *first*, which may be one set by hand, up to the mark."""
    try:
        rhythm = Rhythm.of(pattern, zone)
    except InvalidInputError:
        # Nothing can be counted by a pattern that cannot be read any more; its first slot is certain.
        return DueSlots(rhythm=None, after=first, until=mark, extra=(first,))
    return DueSlots(rhythm=rhythm, after=first, until=mark, extra=(first,))
