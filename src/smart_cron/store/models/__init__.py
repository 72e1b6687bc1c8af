"""The tables: the specification's eight, the slots that did not run, nodes and holds. Rows without behaviour."""

from smart_cron.store.models.executions import Execution, SkippedSlots
from smart_cron.store.models.nodes import Hold, Node
from smart_cron.store.models.surroundings import Alert, AuditEntry, Backup, HealthCheck, Metric, RateLimit
from smart_cron.store.models.tasks import TaskConfig

__all__ = [
    "Alert",
    "AuditEntry",
    "Backup",
    "Execution",
    "HealthCheck",
    "Hold",
    "Metric",
    "Node",
    "RateLimit",
    "SkippedSlots",
    "TaskConfig",
]
