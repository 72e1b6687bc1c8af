"""Alerts as people and probes see them: the port `AlertStore`.

What has no task has no row whose lock would keep two nodes from opening the same incident twice. They take turns by
locking a row that is there in every database of ours and that nobody writes: the first migration's. Not by a unique
column, since then an alert that somebody wrote by SQL would fail a batch of results; not by GET_LOCK, which is gone
with its connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from smart_cron.core.alert import Alarm, Alert, AlertType, Cause, Severity
from smart_cron.core.errors import UnknownAlertError
from smart_cron.core.output_copy import cut_message
from smart_cron.store import alert_rows
from smart_cron.store.alerts import resolve
from smart_cron.store.audit import Audit
from smart_cron.store.record_rows import fitting
from smart_cron.store.releases import Releases
from smart_cron.store.session import Session

NOTE_CHARACTERS = 500
_TURN = "SELECT id FROM django_migrations WHERE app = 'smart_cron' ORDER BY id LIMIT 1"
_SELECT = f"SELECT {', '.join(alert_rows.COLUMNS)} FROM smart_cron_alerts"
# A number beyond it is no alert's, and PostgreSQL would not even compare it.
_LARGEST_ID = 2**63 - 1


class AlertBook:
    """Raises what is no run's, reads all, and notes what people do about them."""

    def __init__(self, session: Session, releases: Releases, audit: Audit) -> None:
        self._session, self._releases, self._audit = session, releases, audit

    # Raised and resolved by programs ----------------------------------------------------------------------------

    def raise_alarms(self, alarms: Sequence[Alarm]) -> list[int]:
        """Open an alert for each, or count up the open one of the same cause; return their numbers in order."""
        if not alarms:
            return []
        return self._session.again(lambda: self._raise(alarms))

    def _raise(self, alarms: Sequence[Alarm]) -> list[int]:
        self._take_turns([alarm.cause for alarm in alarms])
        happenings = [alert_rows.of_alarm(alarm) for alarm in alarms]
        keys = [happening.key for happening in happenings]
        alert_rows.write(self._session, happenings, self._now())
        opened = alert_rows.opened_among(self._session, keys)
        return [opened[key].id for key in keys]

    def resolve_causes(self, causes: Sequence[Cause], *, by: str, by_person: bool = False) -> list[int]:
        """Resolve the open alerts of these causes, since they are over; return their numbers.

        Where it was a person's doing nobody is told.
        """
        if not causes:
            return []
        return self._session.again(lambda: self._resolve_causes(causes, by, untold=not by_person))

    def _resolve_causes(self, causes: Sequence[Cause], by: str, *, untold: bool) -> list[int]:
        keys = [alert_rows.key_of(cause) for cause in causes]
        # Most of what is looked at was never wrong: only then is there anything to take turns for.
        if not alert_rows.opened_among(self._session, keys):
            return []
        self._take_turns(causes)
        numbers = sorted(opened.id for opened in alert_rows.opened_among(self._session, keys).values())
        resolve(self._session, numbers, by=by, now=self._now(), untold=untold)
        return numbers

    def _take_turns(self, causes: Sequence[Cause]) -> None:
        """Lock tasks first, as those do who record their runs, then what stands for the system as a whole."""
        self._releases.lock_tasks(cause.task_id for cause in causes if cause.task_id is not None)
        if any(cause.task_id is None for cause in causes):
            self._session.rows(f"{_TURN}{self._session.dialect.lock}")

    # Read -------------------------------------------------------------------------------------------------------

    def open_causes(self, alert_type: AlertType | None = None) -> Sequence[Alert]:
        """Return every open alert (of a type), oldest first, acknowledged and snoozed ones too."""
        of_type = "" if alert_type is None else " AND alert_type = %s"
        params = [] if alert_type is None else [str(alert_type)]
        rows = self._session.rows(f"{_SELECT} WHERE resolved = 0{of_type}", params)
        return [alert_rows.alert(row, self._session.dialect) for row in sorted(rows, key=lambda row: int(row[0]))]

    def causes_resolved_since(self, since: datetime, *, subtype: str) -> set[Cause]:
        """Return what was told and is resolved since then, of this subtype of `system_health`."""
        rows = self._session.rows(
            f"{_SELECT} WHERE resolved <> 0 AND resolved_at >= %s AND alert_type = %s AND subtype = %s",
            [self._session.dialect.instant(since), str(AlertType.SYSTEM_HEALTH), subtype],
        )
        return {alert_rows.alert(row, self._session.dialect).cause for row in rows}

    def alerts(
        self,
        *,
        resolved: bool | None = None,
        severity: Severity | None = None,
        task_id: int | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[Alert]:
        """Return alerts, newest first; page on with `before_id`."""
        conditions: list[str] = []
        params: list[object] = []
        if resolved is not None:
            # As a plain 0: the indexes of some rows only are found by it.
            conditions.append("resolved <> 0" if resolved else "resolved = 0")
        for column, value in (("severity", severity and str(severity)), ("task_id", task_id)):
            if value is not None:
                conditions.append(f"{column} = %s")
                params.append(value)
        if before_id is not None:
            conditions.append("id < %s")
            params.append(min(before_id, _LARGEST_ID))
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        rows = self._session.rows(f"{_SELECT}{where} ORDER BY id DESC LIMIT %s", [*params, limit])
        return [alert_rows.alert(row, self._session.dialect) for row in rows]

    def get(self, alert_id: int) -> Alert:
        """Raise UnknownAlertError where there is none."""
        row = None
        if 0 <= alert_id <= _LARGEST_ID:
            row = self._session.row(f"{_SELECT} WHERE id = %s", [alert_id])
        if row is None:
            raise UnknownAlertError(alert_id)
        return alert_rows.alert(row, self._session.dialect)

    def seen_by(self, alert_id: int) -> str | None:
        """Return who acknowledged it, as the audit log names them."""
        row = self._session.row(
            """SELECT actor FROM smart_cron_audit_log
             WHERE entity_type = 'alert' AND entity_id = %s AND action = 'acknowledge' ORDER BY id DESC LIMIT 1""",
            [alert_id],
        )
        return str(row[0]) if row else None

    # Changed by people ------------------------------------------------------------------------------------------

    def acknowledge(self, alert_id: int, *, user_id: int | None, actor: str, note: str | None = None) -> bool:
        """Note that somebody has seen it: no more reminders. False where it is resolved or acknowledged already."""
        values = {"acknowledged": 1, "acknowledged_at": self._now(), "acknowledged_by": user_id}
        return self._change(alert_id, "acknowledge", values, actor, note, only=" AND acknowledged = 0")

    def resolve(self, alert_id: int, *, actor: str, note: str | None = None) -> bool:
        """Note that it is mended. False where it is resolved already. Whoever mends knows: nobody is told."""
        values = {"resolved": 1, "resolved_at": self._now(), "resolved_by": _name(actor), "untold": 0}
        return self._change(alert_id, "resolve", values, actor, note)

    def snooze(self, alert_id: int, *, until: datetime | None, actor: str, note: str | None = None) -> bool:
        """Say nothing of it until then (None: speak again). False where it is resolved already."""
        values: dict[str, object] = {"snoozed_until": None if until is None else self._session.dialect.instant(until)}
        if until is None:
            values["untold"] = 1
        return self._change(alert_id, "wake" if until is None else "snooze", values, actor, note)

    def _change(
        self, alert_id: int, action: str, values: dict[str, object], actor: str, note: str | None, *, only: str = ""
    ) -> bool:
        if note is not None:
            values["note"] = cut_message(fitting(note) or "", NOTE_CHARACTERS)
        return self._session.again(lambda: self._write(alert_id, action, values, actor, only))

    def _write(self, alert_id: int, action: str, values: dict[str, object], actor: str, only: str) -> bool:
        found = self.get(alert_id)
        sets = ", ".join(f"{column} = %s" for column in values)
        changed = self._session.execute(
            f"UPDATE smart_cron_alerts SET {sets} WHERE id = %s AND resolved = 0{only}", [*values.values(), alert_id]
        )
        if changed:
            told = {column: value for column, value in values.items() if column != "untold"}
            name = found.task_name or found.cause.subtype or str(found.cause.alert_type)
            self._audit.note(action, actor=actor, entity=("alert", alert_id, name), new=told)
        return bool(changed)

    def _now(self) -> str:
        return self._session.dialect.instant(self._session.now())


def _name(actor: str) -> str:
    return cut_message(fitting(actor) or "", alert_rows.NAME_CHARACTERS)
