"""What was found, changed and logged at a server: health, the audit log and the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_cron.core.audit import AuditEntry, AuditFilter
from smart_cron.core.health import CheckStatus, Finding, LatestHealth
from smart_cron.faces.cli.remote.client import Api, instant

MOST_LINES = 5_000
MOST_A_PAGE = 500


def latest_health(api: Api) -> LatestHealth:
    """Return what was found there last."""
    found = api.get("/status")
    return LatestHealth(findings=tuple(map(_finding, found["findings"])), checked_at=instant(found["checked_at"]))


def latest_lines(api: Api, *, kind: str, level: str | None, text: str | None, count: int) -> list[dict[str, Any]]:
    """Return the latest lines of its log, oldest first; 5,000 at most."""
    if not count:
        return []
    found: list[dict[str, Any]] = api.get("/logs", kind=kind, level=level, text=text, lines=min(count, MOST_LINES))
    return found[::-1]


class RemoteAudit:
    """The audit log of a server, to be read."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def entries(self, wanted: AuditFilter, *, before_id: int | None = None, limit: int = 100) -> list[AuditEntry]:
        """Return rows, the newest first."""
        asked = {
            "since": wanted.since,
            "until": wanted.until,
            "user": wanted.user,
            "action": wanted.action,
            "task": wanted.task,
        }
        found: list[AuditEntry] = []
        cursor = before_id
        while len(found) < limit:
            page = self._api.get("/audit", **asked, cursor=cursor, limit=min(limit - len(found), MOST_A_PAGE))
            found += [AuditEntry(**{**row, "created_at": instant(row["created_at"])}) for row in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        return found


def _finding(row: Mapping[str, Any]) -> Finding:
    return Finding(**{**row, "status": CheckStatus(row["status"])})
