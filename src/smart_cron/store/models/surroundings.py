"""The specification's other six tables."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from smart_cron.store.fields import BigInt, Double, Flag, Instant, Int, PartialIndex, Text, Varchar


class Alert(models.Model):
    """One open alert for each cause (task, type, subtype, node): what happens again is counted on it.

    `untold` is 1 while somebody may have to hear of what changed; the `told_*` columns are what was told last.
    """

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    task_id = Int(null=True)
    task_name = Varchar(max_length=100, null=True)
    execution_id = BigInt(null=True)
    alert_type = Varchar(max_length=50)
    subtype = Varchar(max_length=100, null=True)
    node = Varchar(max_length=100, null=True)
    severity = Varchar(max_length=20)
    message = Varchar(max_length=1000)
    details = Text(null=True)
    occurrences = Int(db_default=1)
    created_at = Instant(db_default=Now())
    last_occurred_at = Instant(null=True)
    acknowledged = Flag(db_default=0)
    acknowledged_at = Instant(null=True)
    # A number of whoever acknowledged, as the specification's UPDATE writes it; no foreign key.
    acknowledged_by = Int(null=True)
    resolved = Flag(db_default=0)
    resolved_at = Instant(null=True)
    resolved_by = Varchar(max_length=100, null=True)
    snoozed_until = Instant(null=True)
    note = Varchar(max_length=500, null=True)
    untold = Flag(db_default=1)
    told_severity = Varchar(max_length=20, null=True)
    told_occurrences = Int(db_default=0)
    told_at = Instant(null=True)
    reminders = Int(db_default=0)

    class Meta:
        db_table = "smart_cron_alerts"
        indexes = [
            PartialIndex(
                fields=["resolved", "task_id", "alert_type"],
                name="smart_cron_alerts_open",
                condition=models.Q(resolved=0),
            ),
            PartialIndex(fields=["untold", "id"], name="smart_cron_alerts_untold", condition=models.Q(untold=1)),
            models.Index(fields=["created_at"], name="smart_cron_alerts_created"),
        ]


class AuditEntry(models.Model):
    """Who changed what. `row_hash` seals the row and the hash of the row before it, so that an edit or a gap shows."""

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    created_at = Instant(db_default=Now())
    actor = Varchar(max_length=100)
    user_id = Int(null=True)
    source = Varchar(max_length=50, null=True)
    ip_address = Varchar(max_length=45, null=True)
    action = Varchar(max_length=50)
    entity_type = Varchar(max_length=50)
    entity_id = BigInt(null=True)
    entity_name = Varchar(max_length=100, null=True)
    old_values = Text(null=True)
    new_values = Text(null=True)
    previous_hash = Varchar(max_length=64, null=True)
    row_hash = Varchar(max_length=64, null=True)

    class Meta:
        db_table = "smart_cron_audit_log"
        indexes = [
            models.Index(fields=["created_at"], name="smart_cron_audit_created"),
            models.Index(fields=["entity_type", "entity_id"], name="smart_cron_audit_entity"),
            models.Index(fields=["actor", "id"], name="smart_cron_audit_actor"),
        ]


class AuditHead(models.Model):
    """One row: where the audit log ends. Whoever adds to the log locks it, so that there is one order."""

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    sealed_rows = BigInt(db_default=0)
    last_id = BigInt(null=True)
    row_hash = Varchar(max_length=64, null=True)

    class Meta:
        db_table = "smart_cron_audit_head"


class HealthCheck(models.Model):
    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    checked_at = Instant(db_default=Now())
    node = Varchar(max_length=100, null=True)
    check_name = Varchar(max_length=100)
    status = Varchar(max_length=20)
    severity = Varchar(max_length=20, null=True)
    message = Varchar(max_length=1000, null=True)
    remedy = Varchar(max_length=1000, null=True)
    measured = Double(null=True)
    threshold = Double(null=True)
    unit = Varchar(max_length=20, null=True)
    details = Text(null=True)
    response_time_ms = Double(null=True)

    class Meta:
        db_table = "smart_cron_health_checks"
        indexes = [
            models.Index(fields=["check_name", "checked_at"], name="smart_cron_health_checked"),
            models.Index(fields=["checked_at"], name="smart_cron_health_time"),
        ]


class Metric(models.Model):
    """The runs of one task on one node that ended within one period, summed up. Seconds, bytes and counts.

    The percentiles are of `duration_histogram` (text of `core.histogram`), which adds up over nodes and periods.
    """

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    period = Varchar(max_length=10)
    bucket_at = Instant(null=True)
    task_id = Int()
    task_name = Varchar(max_length=100)
    node = Varchar(max_length=100, db_default="")
    runs = Int(db_default=0)
    successes = Int(db_default=0)
    failures = Int(db_default=0)
    timed_runs = Int(db_default=0)
    duration_sum = Double(db_default=0.0)
    duration_min = Double(null=True)
    duration_max = Double(null=True)
    duration_p50 = Double(null=True)
    duration_p95 = Double(null=True)
    duration_histogram = Text(null=True)
    lateness_runs = Int(db_default=0)
    lateness_sum = Double(db_default=0.0)
    lateness_max = Double(null=True)
    memory_peak_mb = Int(null=True)
    cpu_seconds = Double(db_default=0.0)
    output_bytes = BigInt(db_default=0)

    class Meta:
        db_table = "smart_cron_metrics"
        constraints = [
            models.UniqueConstraint(fields=["task_id", "period", "bucket_at", "node"], name="smart_cron_metrics_bucket")
        ]
        indexes = [models.Index(fields=["period", "bucket_at"], name="smart_cron_metrics_time")]


class RateLimit(models.Model):
    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    limit_key = Varchar(max_length=255, unique=True)
    hits = Int(db_default=0)
    window_started_at = Instant(null=True)
    expires_at = Instant(null=True)

    class Meta:
        db_table = "smart_cron_rate_limits"
        indexes = [models.Index(fields=["expires_at"], name="smart_cron_rate_limits_expiry")]


class Backup(models.Model):
    """One backup file. It counts once it is `verified`: restored into a scratch database and compared.

    `backup_type` is full or config, `reason` why it was taken (initial, daily, manual, restore, migration), `details`
    JSON: the rows and sums of each table, the versions of server and tables.
    """

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    created_at = Instant(db_default=Now())
    completed_at = Instant(null=True)
    backup_type = Varchar(max_length=20)
    reason = Varchar(max_length=20, null=True)
    label = Varchar(max_length=100, null=True)
    node = Varchar(max_length=100, null=True)
    file_path = Varchar(max_length=500)
    file_size_bytes = BigInt(null=True)
    sha256 = Varchar(max_length=64, null=True)
    status = Varchar(max_length=20)
    verified = Flag(db_default=0)
    verified_at = Instant(null=True)
    error_message = Varchar(max_length=1000, null=True)
    details = Text(null=True)

    class Meta:
        db_table = "smart_cron_backups"
        indexes = [models.Index(fields=["created_at"], name="smart_cron_backups_created")]
