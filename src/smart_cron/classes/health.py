"""The specification's `SmartCronHealth` in Python's spelling: a thin face over the checks of `smart-cron health`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smart_cron.core.health import Finding
from smart_cron.wiring import House, open_house
from smart_cron.wiring.health_kept import keep
from smart_cron.wiring.health_of import look_after, ward_of

if TYPE_CHECKING:
    from smart_cron.logs.logger import SmartCronLogger
    from smart_cron.services.health import Examination


class SmartCronHealth:
    """System health monitoring. *db* is a House, or None for the one that the settings name.

    `is_system_healthy` looks each time; the other two speak of what it found last, and look where nobody has yet.
    """

    def __init__(self, db: House | None = None, logger: SmartCronLogger | None = None) -> None:
        self._house = open_house() if db is None else db
        self._logger = logger
        self._last: Examination | None = None

    def is_system_healthy(self) -> bool:
        """Run all checks; enter what they found, raise and resolve alerts. False where something is critical."""
        ward = ward_of(self._house.config, store=self._house.store)
        self._last = look_after(ward)
        keep(ward, self._last)
        if self._logger is not None:
            issues = [finding.check for finding in self._last.findings if finding.is_issue]
            self._logger.info("Health checked", {"healthy": self._last.is_healthy, "issues": issues})
        return self._last.is_healthy

    def get_issues(self) -> list[dict[str, Any]]:
        """Return what is wrong, each with `check`, `status`, `severity`, `message`, `remedy` and figures."""
        return [_row(finding) for finding in self._examination().findings if finding.is_issue]

    def get_system_status(self) -> dict[str, Any]:
        """Return `status` (healthy or unhealthy), how many checks came to what, and every check."""
        found = self._examination()
        counts: dict[str, int] = {}
        for finding in found.findings:
            counts[str(finding.status)] = counts.get(str(finding.status), 0) + 1
        return {
            "status": "healthy" if found.is_healthy else "unhealthy",
            "healthy": found.is_healthy,
            "issues": sum(finding.is_issue for finding in found.findings),
            "counts": counts,
            "checks": {finding.check: _row(finding) for finding in found.findings},
        }

    def _examination(self) -> Examination:
        if self._last is None:
            self.is_system_healthy()
        assert self._last is not None
        return self._last


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "status": str(finding.status),
        "severity": None if finding.severity is None else str(finding.severity),
        "message": finding.message,
        "remedy": finding.remedy,
        "measured": finding.measured,
        "threshold": finding.threshold,
        "unit": finding.unit,
    }
