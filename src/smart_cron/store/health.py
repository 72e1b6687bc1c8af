"""Findings of the health checks, and the figures that they ask for: the ports `HealthStore` and `HealthFacts`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from smart_cron.core.health import CheckStatus, Finding, LatestHealth
from smart_cron.core.ports.health import Backlog, Lateness
from smart_cron.store.letter_rows import given_up, last_refusal
from smart_cron.store.queues import HELD_RANK
from smart_cron.store.record_rows import fitting
from smart_cron.store.rollups import lateness_since
from smart_cron.store.session import Session

_INSERT = """INSERT INTO smart_cron_health_checks
        (checked_at, node, check_name, status, severity, message, remedy, measured, threshold, unit, details,
         response_time_ms)
     VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""
_SELECT = """SELECT checked_at, node, check_name, status, message, remedy, measured, threshold, unit, details,
        response_time_ms FROM smart_cron_health_checks"""
_TEXT_CHARACTERS = 1000
# A digest waits for its hour; what was tried has been due since it was written.
_DUE_AT = "CASE WHEN attempts = 0 THEN COALESCE(next_attempt_at, created_at) ELSE created_at END"
# Nobody reads more names than that; the figures beside them count what there is.
_NAMES = 1000


class HealthChecks:
    """Writes and reads the rows of `smart_cron_health_checks`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._instant, self._read = session.dialect.instant, session.dialect.read_instant

    def note(self, findings: Sequence[Finding]) -> None:
        """Write a row for each."""
        if findings:
            self._session.again(lambda: self._note(findings))

    def _note(self, findings: Sequence[Finding]) -> None:
        now = self._instant(self._session.now())
        self._session.execute_each(_INSERT, [_values(finding, now) for finding in findings])

    def latest(self, *, within: timedelta) -> LatestHealth:
        """Return the latest finding of each check and node that is not older than this."""
        since = self._instant(self._session.now() - within)
        rows = self._session.rows(f"{_SELECT} WHERE checked_at >= %s ORDER BY checked_at, id", [since])
        found = {(row[2], row[1]): row for row in rows}
        return LatestHealth(
            findings=tuple(_finding(row) for row in found.values()),
            checked_at=self._read(rows[-1][0]) if rows else None,
        )

    def last_seen(self, *, within: timedelta) -> Mapping[tuple[str, str | None, CheckStatus], datetime]:
        """Return when each (check, node) last had each status, as far as it was found within this span."""
        rows = self._session.rows(
            """SELECT check_name, node, status, MAX(checked_at) FROM smart_cron_health_checks
             WHERE checked_at >= %s GROUP BY check_name, node, status""",
            [self._instant(self._session.now() - within)],
        )
        return {
            (check, node, _status(status)): at
            for check, node, status, raw in rows
            if (at := self._read(raw)) is not None
        }

    def checked_since(self, at: datetime, *, node: str | None = None) -> bool:
        """Whether somebody has looked (at this node) at or after this instant."""
        of_node, params = ("", []) if node is None else (" AND node = %s", [node])
        sql = f"SELECT id FROM smart_cron_health_checks WHERE checked_at >= %s{of_node} LIMIT 1"
        return self._session.row(sql, [self._instant(at), *params]) is not None

    def last_details(self, check: str, *, node: str) -> Mapping[str, object]:
        """Return the details of this node's latest finding of a check, empty where there is none."""
        row = self._session.row(
            """SELECT details FROM smart_cron_health_checks WHERE check_name = %s AND node = %s
             ORDER BY checked_at DESC, id DESC LIMIT 1""",
            [check, node],
        )
        return _details(row[0]) if row else {}


def _values(finding: Finding, now: str) -> Sequence[object]:
    return [
        now,
        finding.node,
        finding.check,
        str(finding.status),
        None if finding.severity is None else str(finding.severity),
        (fitting(finding.message) or "")[:_TEXT_CHARACTERS],
        (fitting(finding.remedy) or "")[:_TEXT_CHARACTERS],
        finding.measured,
        finding.threshold,
        finding.unit,
        json.dumps(finding.details, default=str) if finding.details else None,
        finding.response_time_ms,
    ]


def _finding(row: tuple[Any, ...]) -> Finding:
    _, node, check, status, message, remedy, measured, threshold, unit, details, took = row
    return Finding(
        check=check,
        status=_status(status),
        message=message or "",
        remedy=remedy or "",
        measured=measured,
        threshold=threshold,
        unit=unit,
        node=node,
        details=_details(details),
        response_time_ms=took,
    )


def _status(word: str) -> CheckStatus:
    """Return a status; a word of somebody else's SQL is unknown."""
    return CheckStatus(word) if word in set(CheckStatus) else CheckStatus.UNKNOWN


def _details(text: str | None) -> Mapping[str, object]:
    try:
        found = json.loads(text) if text else {}
    except (ValueError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class Facts:
    """Figures of tasks, runs and messages."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._instant, self._read = session.dialect.instant, session.dialect.read_instant

    def overdue(self, *, patience: timedelta) -> Sequence[str]:
        """Return the names of tasks with runs that should have ended this long ago: past timeout and grace."""
        now = self._session.now()
        queue = self._session.dialect.force_index("smart_cron_executions_queue")
        rows = self._session.rows(
            f"""SELECT task_name, claimed_at, allowed_seconds FROM smart_cron_executions{queue}
             WHERE queue_rank = {HELD_RANK} AND status <> 'unreachable' ORDER BY id"""
        )
        return [name for name, claimed_at, allowed in rows if self._ends(claimed_at, allowed) + patience < now]

    def _ends(self, claimed_at: object, allowed_seconds: int | None) -> datetime:
        at = self._read(claimed_at)
        assert at is not None or claimed_at is None
        return (at or self._session.now()) + timedelta(seconds=allowed_seconds or 0)

    def failing(self) -> Sequence[tuple[str, int]]:
        """Return (name, failures in a row) of enabled tasks at or beyond their `failure_threshold`, most first."""
        return [
            (name, count)
            for name, count in self._session.rows(
                f"""SELECT task_name, consecutive_failures FROM smart_cron_tasks_config
                 WHERE enabled <> 0 AND consecutive_failures > 0 AND consecutive_failures >= failure_threshold
                 ORDER BY consecutive_failures DESC, task_name LIMIT {_NAMES}"""
            )
        ]

    def invalid(self) -> Sequence[tuple[str, str]]:
        """Return (name, reason) of enabled tasks that cannot be planned."""
        return [
            (name, reason)
            for name, reason in self._session.rows(
                f"""SELECT task_name, invalid_reason FROM smart_cron_tasks_config
                 WHERE enabled <> 0 AND invalid_reason IS NOT NULL ORDER BY task_name LIMIT {_NAMES}"""
            )
        ]

    def lateness(self, *, since: datetime) -> Lateness:
        """Return how late runs of the hours from this one on started."""
        runs, total, largest = lateness_since(self._session, since)
        return Lateness(runs=runs, mean=total / runs, largest=largest or 0.0) if runs else Lateness()

    def undelivered(self, *, waiting_for: timedelta, failed_within: timedelta) -> Backlog:
        """Return what has waited for longer than this, and what failed for good lately."""
        now = self._session.now()
        pending = self._session.row(
            f"""SELECT COUNT(*), MIN({_DUE_AT}) FROM smart_cron_deliveries
             WHERE status = 'pending' AND {_DUE_AT} <= %s""",
            [self._instant(now - waiting_for)],
        )
        oldest = self._read(pending[1]) if pending else None
        waiting, failed = int(pending[0]) if pending else 0, given_up(self._session, within=failed_within)
        refusal = last_refusal(self._session, within=failed_within) if waiting or failed else None
        return Backlog(
            pending=waiting,
            oldest=timedelta() if oldest is None else now - oldest,
            failed=failed,
            refusal=": ".join(refusal) if refusal else "",
        )

    def enabled_tasks(self) -> int:
        """Return how many tasks are switched on."""
        row = self._session.row("SELECT COUNT(*) FROM smart_cron_tasks_config WHERE enabled <> 0")
        return int(row[0]) if row else 0
