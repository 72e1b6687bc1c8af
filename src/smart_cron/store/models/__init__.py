"""The tables: the specification's eight, slots that did not run, nodes, holds, watching. Rows without behaviour."""

from smart_cron.store.models.executions import Execution, SkippedSlots
from smart_cron.store.models.nodes import Hold, Node
from smart_cron.store.models.surroundings import Alert, AuditEntry, AuditHead, Backup, HealthCheck, Metric, RateLimit
from smart_cron.store.models.tasks import TaskConfig, TaskRevision
from smart_cron.store.models.watch import Delivery, NodeSample, PingCheck

__all__ = [
    "Alert",
    "AuditEntry",
    "AuditHead",
    "Backup",
    "Delivery",
    "Execution",
    "HealthCheck",
    "Hold",
    "Metric",
    "Node",
    "NodeSample",
    "PingCheck",
    "RateLimit",
    "SkippedSlots",
    "TaskConfig",
    "TaskRevision",
]
