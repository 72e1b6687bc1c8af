"""What the database's own clean-up deletes besides executions and slots that did not run, and how much it keeps."""

from __future__ import annotations

from dataclasses import dataclass

from smart_cron.core.retention import SERVER_KEEPS_RUNS

# The newest runs of each task, however old.
KEPT_RUNS = SERVER_KEEPS_RUNS
# Rows of one statement: each is over within some milliseconds.
BATCH = 500
# What its own node says later replaces a loss that others guessed; it has said so once it is back. Of executions `o`.
NOT_IN_DOUBT = """NOT (o.status = 'lost' AND o.settled_by IS NOT NULL AND EXISTS (
            SELECT 1 FROM smart_cron_nodes n WHERE n.node_name = o.node AND n.forgotten_at IS NULL
               AND (n.heartbeat_at IS NULL OR n.heartbeat_at < o.completed_at)))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldRows:
    """Rows of a table that go once the indexed instant in `column` is too old; where `is_expiry`, once it is past."""

    table: str
    column: str
    condition: str = ""
    is_expiry: bool = False


OLD_ROWS = (
    OldRows(table="health_checks", column="checked_at"),
    # By `created_at`, which has an index: what was resolved long ago is older still.
    OldRows(
        table="alerts",
        column="created_at",
        condition="resolved <> 0 AND untold = 0 AND (resolved_at IS NULL OR resolved_at < {limit})",
    ),
    OldRows(table="deliveries", column="created_at", condition="status <> 'pending'"),
    OldRows(table="node_samples", column="sampled_at"),
    OldRows(table="rate_limits", column="expires_at", is_expiry=True),
)
