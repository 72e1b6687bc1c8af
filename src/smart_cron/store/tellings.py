"""Alerts of which somebody may have to hear, and the letters that they become: the port `TellingStore`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from smart_cron.core.alert import Alarm, Alert, AlertType, Severity
from smart_cron.core.alert_rules import ENDED_BY_SUCCESS
from smart_cron.core.delivery import (
    Addition,
    Address,
    Concern,
    NewLetter,
    ReminderMarks,
    Told,
    Traffic,
)
from smart_cron.core.errors import DatabaseConflictError
from smart_cron.core.message import MessageKind
from smart_cron.store import alert_rows
from smart_cron.store.bulk import InsertEach, UpdateEach, placeholders
from smart_cron.store.dialects import INSTANT, INT, TEXT
from smart_cron.store.letter_rows import LETTERS, letter_row, read_kind, read_numbers, read_severity
from smart_cron.store.record_rows import MESSAGE_CHARACTERS, fitting
from smart_cron.store.session import Session

# The row behind which couriers queue. A lock of its own: those of tasks and alerts are the engine's.
_TURN = "courier"
_ALERT = ", ".join(f"a.{name}" for name in alert_rows.COLUMNS)
_LETTERS = LETTERS
_POST = InsertEach(
    table=_LETTERS,
    columns=(
        ("kind", TEXT),
        ("channel", TEXT),
        ("target", TEXT),
        ("severity", TEXT),
        ("fold_key", TEXT),
        ("subject", TEXT),
        ("alert_ids", TEXT),
        ("alert_count", INT),
        ("next_attempt_at", INSTANT),
    ),
)
# Whoever has begun to send it does not see what is added: then the whole transaction is run again.
_ADD = UpdateEach(
    table=_LETTERS,
    columns=(("id", INT), ("severity", TEXT), ("alert_ids", TEXT), ("alert_count", INT)),
    sets="severity = {severity}, alert_ids = {alert_ids}, alert_count = {alert_count}",
    where="t.id = {id} AND t.status = 'pending' AND t.attempts = 0",
    wide=True,
)
# Not locked before: what happened since it was read leaves it untold.
_TELL = UpdateEach(
    table="smart_cron_alerts",
    columns=(
        ("id", INT),
        ("seen", INT),
        ("over", INT),
        ("told_severity", TEXT),
        ("told_at", INSTANT),
        ("reminders", INT),
    ),
    sets="""told_severity = {told_severity}, told_occurrences = {seen}, told_at = {told_at}, reminders = {reminders},
        untold = CASE WHEN t.occurrences = {seen} AND t.resolved = {over} THEN 0 ELSE t.untold END""",
    where="t.id = {id}",
)


class Tellings:
    """Reads what is untold, writes letters."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._instant, self._read = session.dialect.instant, session.dialect.read_instant

    # alerts ------------------------------------------------------------------------------------------------

    def has_untold(self) -> bool:
        """Say whether an alert changed since it was told; one look at an index, for who asks each second."""
        return bool(self._numbers("smart_cron_alerts_untold", "untold = 1", [], limit=1))

    def has_news(self, marks: ReminderMarks) -> bool:
        """Say whether `news` would find anything; nothing is locked."""
        return any(self._numbers(*way, limit=1) for way in self._ways(marks))

    def news(self, marks: ReminderMarks, *, limit: int) -> list[Concern]:
        """Return alerts that changed, that are to be reminded of, or whose snooze is over, oldest first."""
        self._queue_up()
        found = {number for way in self._ways(marks) for number in self._numbers(*way, limit=limit)}
        return self._concerns(sorted(found)[:limit])

    def _queue_up(self) -> None:
        """Wait until no other courier is between its look and its commit."""
        lock = self._session.dialect.lock
        sql = f"SELECT id FROM smart_cron_rate_limits WHERE limit_key = %s{lock}"
        if lock and self._session.row(sql, [_TURN]) is None:
            # Where another one enters it in this moment the unique key makes one of us run again.
            self._session.execute("INSERT INTO smart_cron_rate_limits (limit_key) VALUES (%s)", [_TURN])

    def _ways(self, marks: ReminderMarks) -> list[tuple[str, str, list[object]]]:
        """Return index, condition and parameters of each way in which an alert becomes news."""
        now = self._instant(marks.now)
        reminded, instants = self._reminded(marks)
        is_open = "resolved = 0 AND acknowledged = 0"
        awake = "(snoozed_until IS NULL OR snoozed_until <= %s)"
        # There is nothing to be done about information, so that nobody is reminded of it.
        told = f"told_severity IS NOT NULL AND severity <> '{Severity.INFO}'"
        woken = "snoozed_until <= %s AND (told_at IS NULL OR told_at < snoozed_until)"
        return [
            ("smart_cron_alerts_untold", "untold = 1", []),
            (
                "smart_cron_alerts_open",
                f"{is_open} AND (({told} AND {awake} AND ({reminded})) OR ({woken}))",
                [now, *instants, now],
            ),
        ]

    def _reminded(self, marks: ReminderMarks) -> tuple[str, list[object]]:
        last = len(marks.told_until) - 1
        parts = [f"(reminders {'>=' if n == last else '='} {n} AND told_at <= %s)" for n in range(last + 1)]
        return " OR ".join(parts), [self._instant(mark) for mark in marks.told_until]

    def _numbers(self, index: str, condition: str, params: Sequence[object], *, limit: int) -> list[int]:
        rows = self._session.rows(
            f"""SELECT id FROM smart_cron_alerts{self._session.dialect.force_index(index)}
             WHERE {condition} ORDER BY id LIMIT %s""",
            [*params, limit],
        )
        return [row[0] for row in rows]

    def _concerns(self, numbers: Sequence[int]) -> list[Concern]:
        if not numbers:
            return []
        rows = self._session.rows(
            f"""SELECT t.alert_email, t.alert_slack_webhook, t.task_group, {_ALERT} FROM smart_cron_alerts a
              LEFT JOIN smart_cron_tasks_config t ON t.id = a.task_id
             WHERE a.id IN ({placeholders(numbers)}) ORDER BY a.id""",
            numbers,
        )
        alerts = [alert_rows.alert(row[3:], self._session.dialect) for row in rows]
        gravest = self._failures_in_a_row([alert.cause.task_id for alert in alerts if _may_be_an_echo(alert)])
        return [
            Concern(
                alert=alert,
                graver=gravest.get(alert.cause.task_id) if _may_be_an_echo(alert) else None,
                email=row[0],
                slack=row[1],
                group=row[2],
            )
            for alert, row in zip(alerts, rows, strict=True)
        ]

    def _failures_in_a_row(self, tasks: Sequence[int | None]) -> Mapping[int | None, Alert]:
        """Return the open alert of failures in a row of each of these tasks that has one."""
        if not tasks:
            return {}
        rows = self._session.rows(
            f"""SELECT {_ALERT} FROM smart_cron_alerts a WHERE a.resolved = 0 AND a.alert_type = %s
                 AND a.task_id IN ({placeholders(tasks)})""",
            [str(AlertType.CONSECUTIVE_FAILURES), *tasks],
        )
        alerts = [alert_rows.alert(row, self._session.dialect) for row in rows]
        return {alert.cause.task_id: alert for alert in alerts}

    def enter_over(self, alarm: Alarm, *, opened_at: datetime, told_at: datetime, by: str) -> int:
        """Enter an alert that was told without the database and is over; return its number."""
        cause, now = alarm.cause, self._instant(self._session.now())
        told, opened = self._instant(told_at), self._instant(opened_at)
        return self._session.insert(
            """INSERT INTO smart_cron_alerts (alert_type, subtype, task_id, node, severity, message, details,
                occurrences, created_at, last_occurred_at, resolved, resolved_at, resolved_by, untold, told_severity,
                told_occurrences, told_at)
             VALUES (%s, %s, %s, %s, %s, %s, %s, 1, %s, %s, 1, %s, %s, 0, %s, 1, %s)""",
            [
                str(cause.alert_type), cause.subtype, cause.task_id, cause.node, str(alarm.severity),
                (fitting(alarm.message) or "")[:MESSAGE_CHARACTERS], json.dumps(dict(alarm.details)), opened, opened,
                now, by[:100], str(alarm.severity), told,
            ],
        )  # fmt: skip

    # letters -----------------------------------------------------------------------------------------------

    def traffic(self, channels: Sequence[str], *, since: datetime) -> list[Traffic]:
        """Return the letters of these channels that wait, or were sent since then; pings left out."""
        if not channels:
            return []
        pending = self._letters("smart_cron_deliveries_pending", "status = 'pending'", channels, [])
        sent = self._letters(
            "smart_cron_deliveries_sent", "status = 'sent' AND sent_at >= %s", channels, [self._instant(since)]
        )
        return [*pending, *sent]

    def _letters(self, index: str, condition: str, channels: Sequence[str], params: list[object]) -> list[Traffic]:
        rows = self._session.rows(
            f"""SELECT id, channel, target, kind, fold_key, severity,
                COALESCE(sent_at, CASE WHEN attempts = 0 THEN next_attempt_at END, created_at),
                status, attempts, CASE WHEN status = 'pending' AND attempts = 0 THEN alert_ids END
             FROM {_LETTERS}{self._session.dialect.force_index(index)}
             WHERE {condition} AND channel IN ({placeholders(channels)}) AND kind <> '{MessageKind.PING}'""",
            [*params, *channels],
        )
        return [self._traffic(row) for row in rows]

    def _traffic(self, row: Sequence[Any]) -> Traffic:
        return Traffic(
            letter_id=row[0],
            address=Address(row[1], row[2]),
            kind=read_kind(row[3]),
            fold_key=row[4] or "",
            severity=read_severity(row[5]),
            at=self._read(row[6]) or alert_rows.EPOCH,
            alert_ids=read_numbers(row[9]),
            takes_more=row[7] == "pending" and not row[8],
        )

    def post(self, *, letters: Sequence[NewLetter], additions: Sequence[Addition], told: Sequence[Told]) -> None:
        """Put letters in, add to those that wait, and note what was told: in the caller's transaction."""
        _POST.run(self._session, [letter_row(letter, self._session.dialect) for letter in letters])
        added = _ADD.run(self._session, [_added(each) for each in sorted(additions, key=lambda each: each.letter_id)])
        if added != len(additions):
            raise DatabaseConflictError("a letter was taken to be sent while it was being added to.")
        # Last, in the order of their numbers: the engine may wait for these rows, and not for long.
        _TELL.run(self._session, [self._told(each) for each in sorted(told, key=lambda each: each.alert_id)])

    def _told(self, told: Told) -> dict[str, object]:
        return {
            "id": told.alert_id,
            "seen": told.occurrences,
            "over": int(told.resolved),
            "told_severity": told.severity,
            "told_at": None if told.told_at is None else self._instant(told.told_at),
            "reminders": told.reminders,
        }


def _may_be_an_echo(alert: Alert) -> bool:
    """Whether it was told and is one that a success ends, as failures in a row are."""
    kinds = ENDED_BY_SUCCESS - {AlertType.CONSECUTIVE_FAILURES}
    return alert.told_severity is not None and not alert.resolved and alert.cause.alert_type in kinds


def _added(addition: Addition) -> dict[str, object]:
    return {
        "id": addition.letter_id,
        "severity": str(addition.severity),
        "alert_ids": json.dumps(addition.alert_ids),
        "alert_count": len(addition.alert_ids),
    }
