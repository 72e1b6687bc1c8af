"""Alerts by the page: the port `AlertPages`. Open ones are few and put in order; of the history a stretch is read."""

from __future__ import annotations

from collections.abc import Sequence

from smart_cron.core.alert import Alert, AlertFilter, Severity
from smart_cron.store import alert_rows
from smart_cron.store.overview import of_near_tasks
from smart_cron.store.session import Session

_SELECT = f"SELECT {', '.join(alert_rows.COLUMNS)} FROM smart_cron_alerts"
# A word of somebody else's SQL ranks as what it is read as.
_RANK = (
    "CASE severity "
    + " ".join(f"WHEN '{severity}' THEN {severity.rank}" for severity in Severity)
    + f" ELSE {Severity.ERROR.rank} END"
)


class AlertReads:
    """Reads pages of alerts."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def page(self, wanted: AlertFilter, *, after: Alert | None = None, limit: int) -> Sequence[Alert]:
        """Return open alerts, the gravest first and then the newest, or resolved ones, the newest first."""
        where, params = _conditions(wanted)
        if after is not None:
            older, values = _older(wanted, after)
            where, params = f"{where} AND {older}", [*params, *values]
        order = "id DESC" if wanted.resolved else f"{_RANK}, id DESC"
        rows = self._session.rows(f"{_SELECT} WHERE {where} ORDER BY {order} LIMIT %s", [*params, limit])
        return [alert_rows.alert(row, self._session.dialect) for row in rows]


def _conditions(wanted: AlertFilter) -> tuple[str, list[object]]:
    # As a plain 0: the index of open ones is found by it.
    conditions = ["resolved <> 0" if wanted.resolved else "resolved = 0"]
    params: list[object] = []
    for column, value in (("severity", wanted.severity), ("alert_type", wanted.alert_type)):
        if value is not None:
            conditions.append(f"{column} = %s")
            params.append(str(value))
    if wanted.task_id is not None:
        conditions.append("task_id = %s")
        params.append(wanted.task_id)
    near, named = of_near_tasks(wanted.groups)
    return " AND ".join(conditions) + near, [*params, *named]


def _older(wanted: AlertFilter, after: Alert) -> tuple[str, list[object]]:
    if wanted.resolved:
        return "id < %s", [after.id]
    return f"({_RANK} > %s OR ({_RANK} = %s AND id < %s))", [after.severity.rank, after.severity.rank, after.id]
