"""What looking at the system came to: one finding a check, how it is judged, and which alert it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from smart_cron.core.alert import Alarm, AlertType, Cause, Severity

# Rows older than this say nothing of how it is now: three of the built-in task's slots.
FRESH = timedelta(minutes=15)
_TYPES = {
    "disk_space": AlertType.DISK_SPACE,
    "memory": AlertType.MEMORY,
    "stuck_tasks": AlertType.STUCK_TASK,
}
# Each of the tasks behind these has an open alert of its own: a second one would tell people twice.
_TOLD_BY_OTHERS = frozenset({"critical_failures"})


class CheckStatus(StrEnum):
    """How it is; `unknown` is what nobody could find out, such as where a check hangs."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


_SEVERITIES = {
    CheckStatus.WARNING: Severity.WARNING,
    CheckStatus.CRITICAL: Severity.CRITICAL,
    CheckStatus.UNKNOWN: Severity.WARNING,
}
_GRAVEST_FIRST = (CheckStatus.CRITICAL, CheckStatus.UNKNOWN, CheckStatus.WARNING, CheckStatus.OK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check came to. `measured` and `threshold` are in `unit`; `remedy` is empty where nothing is to be done.

    `node` is set where it is true of one node only. `asked` is False where the check was left out since what it needs
    was not there: then nothing is known, and nothing is raised or resolved.
    """

    check: str
    status: CheckStatus
    message: str
    remedy: str = ""
    measured: float | None = None
    threshold: float | None = None
    unit: str | None = None
    node: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    response_time_ms: float | None = None
    asked: bool = True

    @property
    def severity(self) -> Severity | None:
        """How grave it is, or None where all is well."""
        return _SEVERITIES.get(self.status)

    @property
    def is_issue(self) -> bool:
        """Whether somebody should look."""
        return self.status is not CheckStatus.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """From where on a measured value is a warning, and from where on critical. Both are in `unit`.

    Where `falling`, less is worse: days that are left.
    """

    warning: float
    critical: float
    unit: str
    falling: bool = False

    def judge(self, measured: float) -> CheckStatus:
        """Return what the value means; one at the threshold is beyond it."""
        if self._is_beyond(measured, self.critical):
            return CheckStatus.CRITICAL
        return CheckStatus.WARNING if self._is_beyond(measured, self.warning) else CheckStatus.OK

    def crossed(self, measured: float) -> float:
        """Return the bound that the value crossed, or the first one that it would."""
        return self.critical if self._is_beyond(measured, self.critical) else self.warning

    def _is_beyond(self, measured: float, bound: float) -> bool:
        return measured <= bound if self.falling else measured >= bound


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestHealth:
    """The latest finding of each check, where it is fresh. `checked_at` is None where none is."""

    findings: tuple[Finding, ...] = ()
    checked_at: datetime | None = None

    @property
    def word(self) -> str:
        """`healthy`, `unhealthy`, or `unknown` where nobody has looked lately."""
        if self.checked_at is None:
            return "unknown"
        return "healthy" if is_healthy(self.findings) else "unhealthy"


def is_healthy(findings: Sequence[Finding]) -> bool:
    """Whether nothing is critical or unknown: a warning is told to people and stops nothing."""
    return all(finding.status in (CheckStatus.OK, CheckStatus.WARNING) for finding in findings)


def worst(statuses: Sequence[CheckStatus]) -> CheckStatus:
    """Return the gravest of these, ok where there is none."""
    return min(statuses, key=_GRAVEST_FIRST.index, default=CheckStatus.OK)


def cause_of(finding: Finding) -> Cause:
    """Return what the alert of this finding is about."""
    alert_type = _TYPES.get(finding.check, AlertType.SYSTEM_HEALTH)
    return Cause(alert_type=alert_type, subtype=finding.check, node=finding.node)


def alarms_of(findings: Sequence[Finding]) -> list[Alarm]:
    """Return what is to be raised."""
    wrong = [finding for finding in findings if finding.is_issue and _is_told_here(finding)]
    return [_alarm(finding) for finding in wrong]


def causes_over(findings: Sequence[Finding]) -> list[Cause]:
    """Return what is well again, or was never otherwise: its open alerts are over."""
    return [cause_of(finding) for finding in findings if not finding.is_issue and _is_told_here(finding)]


def _is_told_here(finding: Finding) -> bool:
    return finding.asked and finding.check not in _TOLD_BY_OTHERS


def _alarm(finding: Finding) -> Alarm:
    known = {
        "check": finding.check,
        "remedy": finding.remedy,
        "measured": finding.measured,
        "threshold": finding.threshold,
        "unit": finding.unit,
    }
    details = {name: value for name, value in known.items() if value not in (None, "")}
    message = f"{finding.message} {finding.remedy}".rstrip()
    severity = finding.severity or Severity.WARNING
    return Alarm(cause=cause_of(finding), severity=severity, message=message, details=details)


def without_answer(check: str, sentence: str, remedy: str, *, node: str | None = None, asked: bool = True) -> Finding:
    """Return the finding that nothing was found out."""
    return Finding(check=check, status=CheckStatus.UNKNOWN, message=sentence, remedy=remedy, node=node, asked=asked)
