"""How grave each type of alert is, and which alerts a success ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from smart_cron.core.alert import AlertType, Severity

# What `resolved_by` says where no person did it.
RECOVERED = "recovered"
FAILURES_RESET = "failures reset"
TASK_REMOVED = "task removed"
TASK_DISABLED = "task disabled"
NODE_FORGOTTEN = "node forgotten"

# What a task's next success is the end of. Anomalies are of one kind each: a success that shows another one does not
# end the first, one that shows none ends them all.
ENDED_BY_SUCCESS = frozenset(
    (AlertType.TASK_FAILURE, AlertType.TASK_TIMEOUT, AlertType.CONSECUTIVE_FAILURES, AlertType.STUCK_TASK)
)
RUN_ANOMALIES = ("anomaly_duration", "anomaly_output", "anomaly_memory")

USUAL: Mapping[AlertType, Severity] = {
    AlertType.TASK_FAILURE: Severity.ERROR,
    AlertType.TASK_TIMEOUT: Severity.ERROR,
    AlertType.CONSECUTIVE_FAILURES: Severity.CRITICAL,
    AlertType.SYSTEM_HEALTH: Severity.WARNING,
    AlertType.STUCK_TASK: Severity.ERROR,
    AlertType.DISK_SPACE: Severity.WARNING,
    AlertType.MEMORY: Severity.WARNING,
}


@dataclass(frozen=True, slots=True)
class Severities:
    """What counts how grave; `chosen` are the types for which the settings say so."""

    chosen: Mapping[AlertType, Severity] = field(default_factory=dict)

    def of(self, alert_type: AlertType, found: Severity | None = None) -> Severity:
        """Return what the settings say of this type, else what was *found* (a threshold passed), else the usual."""
        return self.chosen.get(alert_type) or found or USUAL[alert_type]


USUAL_SEVERITIES = Severities()


def read_severities(words: Mapping[str, str]) -> Severities:
    """Read `[alerts.severities]`. Raise ValueError that names each unknown type or severity and what is known."""
    problems = [f"'{word}' is no type of alert" for word in words if word not in set(AlertType)]
    problems += [f"'{word}' is no severity" for word in words.values() if word not in set(Severity)]
    if problems:
        types, severities = ", ".join(AlertType), ", ".join(Severity)
        raise ValueError(f"{'; '.join(problems)}; types are {types}, and severities {severities}")
    return Severities({AlertType(alert_type): Severity(word) for alert_type, word in words.items()})


def graver(one: Severity, other: Severity) -> Severity:
    """Return the graver of two."""
    return min(one, other, key=lambda severity: severity.rank)


def ends_with_success(alert_type: str, subtype: str | None, *, shown: frozenset[str | None]) -> bool:
    """Whether an open alert of a task is over once a run of it succeeds that *shown* subtypes of anomalies itself."""
    if alert_type == AlertType.SYSTEM_HEALTH:
        return subtype in RUN_ANOMALIES and subtype not in shown
    return alert_type in ENDED_BY_SUCCESS
