"""An alert under the names of its columns, for programs."""

from __future__ import annotations

from typing import Any

from smart_cron.core.alert import Alert


def alert_columns(alert: Alert) -> dict[str, Any]:
    """Return what people may know of an alert, keyed by column; flags are 0 or 1, instants aware and in UTC."""
    return {
        "id": alert.id,
        "alert_type": str(alert.cause.alert_type),
        "subtype": alert.cause.subtype,
        "severity": str(alert.severity),
        "task_id": alert.cause.task_id,
        "task_name": alert.task_name,
        "node": alert.cause.node,
        "execution_id": alert.execution_id,
        "message": alert.message,
        "details": dict(alert.details),
        "occurrences": alert.occurrences,
        "created_at": alert.created_at,
        "last_occurred_at": alert.last_occurred_at,
        "acknowledged": int(alert.acknowledged),
        "acknowledged_at": alert.acknowledged_at,
        "acknowledged_by": alert.acknowledged_by,
        "snoozed_until": alert.snoozed_until,
        "resolved": int(alert.resolved),
        "resolved_at": alert.resolved_at,
        "resolved_by": alert.resolved_by,
        "note": alert.note,
        "told_at": alert.told_at,
        "told_severity": alert.told_severity and str(alert.told_severity),
        "told_occurrences": alert.told_occurrences,
        "reminders": alert.reminders,
    }
