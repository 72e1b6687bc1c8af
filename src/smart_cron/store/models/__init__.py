"""The tables: the specification's eight, and the slots that did not run. Rows without behaviour."""

from smart_cron.store.models.executions import Execution, SkippedSlots
from smart_cron.store.models.surroundings import Alert, AuditEntry, Backup, HealthCheck, Metric, RateLimit
from smart_cron.store.models.tasks import TaskConfig

__all__ = [
    "Alert",
    "AuditEntry",
    "Backup",
    "Execution",
    "HealthCheck",
    "Metric",
    "RateLimit",
    "SkippedSlots",
    "TaskConfig",
]
