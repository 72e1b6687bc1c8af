"""Alerts of runs: raised and resolved with their cause, in its transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from smart_cron.core.alert_rules import RECOVERED, TASK_DISABLED, TASK_REMOVED, ends_with_success
from smart_cron.core.run import Settlement
from smart_cron.store import alert_rows
from smart_cron.store.bulk import placeholders
from smart_cron.store.session import Session


@dataclass(slots=True)
class _Story:
    """What one batch says of one task: alerts until its last success, that success's anomalies, and alerts since."""

    before: list[alert_rows.Happening] = field(default_factory=list)
    since: list[alert_rows.Happening] = field(default_factory=list)
    is_won: bool = False
    has_open: bool = False
    shown: frozenset[str | None] = frozenset()

    def go_on(self, settlement: Settlement) -> None:
        raised = [alert_rows.of_draft(settlement.run, draft) for draft in settlement.alerts]
        self.has_open = self.has_open or settlement.run.has_open_alerts
        if not settlement.success:
            self.since += raised
            return
        self.before += self.since
        self.since, self.is_won = raised, True
        self.shown = frozenset(happening.key.subtype for happening in raised)

    @property
    def recovers(self) -> bool:
        return self.is_won and (self.has_open or bool(self.before))


class Alerts:
    """Raises and resolves the alerts of tasks that are locked, so that two never open the same one."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def follow(self, settlements: Sequence[Settlement], *, now: datetime) -> None:
        """Write what these outcomes raise, and resolve what a success is the end of, in the order of their ends.

        What failed and was won again within one batch is on record as resolved.
        """
        if not any(each.alerts or each.recovers for each in settlements):
            return
        stories: dict[int, _Story] = {}
        for each in sorted(settlements, key=lambda each: each.end.completed_at):
            if each.alerts or each.success:
                stories.setdefault(each.run.task_id, _Story()).go_on(each)
        moment = self._session.dialect.instant(now)
        of_tasks = sorted(stories.items())
        alert_rows.write(self._session, [one for _, story in of_tasks for one in story.before], moment)
        self._resolve_recovered({task_id: story.shown for task_id, story in of_tasks if story.recovers}, moment)
        alert_rows.write(self._session, [one for _, story in of_tasks for one in story.since], moment)

    def _resolve_recovered(self, shown: dict[int, frozenset[str | None]], now: str) -> None:
        """Resolve what a success ends of these tasks; `untold`, so that people hear of it once."""
        if not shown:
            return
        rows = self._session.rows(
            f"""SELECT id, task_id, alert_type, subtype FROM smart_cron_alerts
             WHERE resolved = 0 AND task_id IN ({placeholders(list(shown))})""",
            list(shown),
        )
        over = [
            number
            for number, task_id, alert_type, subtype in rows
            if ends_with_success(alert_type, subtype, shown=shown[task_id])
        ]
        resolve(self._session, over, by=RECOVERED, now=now, untold=True)

    def close_removed(self, task_id: int) -> None:
        """Resolve all alerts of a task that is deleted."""
        self._close(task_id, TASK_REMOVED)

    def close_disabled(self, task_id: int) -> None:
        """Resolve all alerts of a task that is switched off."""
        self._close(task_id, TASK_DISABLED)

    def _close(self, task_id: int, by: str) -> None:
        """A person did it: nobody needs to hear that it is over."""
        rows = self._session.rows("SELECT id FROM smart_cron_alerts WHERE resolved = 0 AND task_id = %s", [task_id])
        now = self._session.dialect.instant(self._session.now())
        resolve(self._session, [row[0] for row in rows], by=by, now=now, untold=False)


def resolve(session: Session, numbers: Sequence[int], *, by: str, now: str, untold: bool) -> None:
    """Resolve these alerts; `untold` says whether anybody is to be told so."""
    ids = sorted(numbers)
    for begin in range(0, len(ids), alert_rows.CHUNK):
        some = ids[begin : begin + alert_rows.CHUNK]
        session.execute(
            f"""UPDATE smart_cron_alerts SET resolved = 1, resolved_at = %s, resolved_by = %s, untold = %s
             WHERE id IN ({placeholders(some)}) AND resolved = 0""",
            [now, by[: alert_rows.NAME_CHARACTERS], int(untold), *some],
        )
