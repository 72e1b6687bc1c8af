# ruff: noqa: E501 — the generated columns' SQL is one text each
import django.db.models.functions.datetime
from django.db import migrations, models

import smart_cron.store.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Hold",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("kind", smart_cron.store.fields.Varchar(max_length=20, unique=True)),
                ("reason", smart_cron.store.fields.Varchar(max_length=500)),
                ("actor", smart_cron.store.fields.Varchar(max_length=100)),
                ("created_at", smart_cron.store.fields.Instant(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "smart_cron_holds",
            },
        ),
        migrations.CreateModel(
            name="Node",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("node_name", smart_cron.store.fields.Varchar(max_length=100, unique=True)),
                ("identity", smart_cron.store.fields.Varchar(max_length=64)),
                ("boot_id", smart_cron.store.fields.Varchar(max_length=64)),
                ("host", smart_cron.store.fields.Varchar(max_length=255)),
                ("version", smart_cron.store.fields.Varchar(max_length=50)),
                ("master_pid", smart_cron.store.fields.Int(null=True)),
                ("tags", smart_cron.store.fields.Varchar(db_default="", max_length=500)),
                ("max_concurrent", smart_cron.store.fields.Int()),
                ("heartbeats", smart_cron.store.fields.BigInt(db_default=0)),
                ("heartbeat_at", smart_cron.store.fields.Instant(null=True)),
                ("started_at", smart_cron.store.fields.Instant(db_default=django.db.models.functions.datetime.Now())),
                ("stopped_at", smart_cron.store.fields.Instant(null=True)),
                ("forgotten_at", smart_cron.store.fields.Instant(null=True)),
            ],
            options={
                "db_table": "smart_cron_nodes",
            },
        ),
        migrations.CreateModel(
            name="Alert",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("task_id", smart_cron.store.fields.Int(null=True)),
                ("task_name", smart_cron.store.fields.Varchar(max_length=100, null=True)),
                ("execution_id", smart_cron.store.fields.BigInt(null=True)),
                ("alert_type", smart_cron.store.fields.Varchar(max_length=50)),
                ("subtype", smart_cron.store.fields.Varchar(max_length=50, null=True)),
                ("severity", smart_cron.store.fields.Varchar(max_length=20)),
                ("message", smart_cron.store.fields.Varchar(max_length=1000)),
                ("details", smart_cron.store.fields.Text(null=True)),
                ("occurrences", smart_cron.store.fields.Int(db_default=1)),
                ("created_at", smart_cron.store.fields.Instant(db_default=django.db.models.functions.datetime.Now())),
                ("last_occurred_at", smart_cron.store.fields.Instant(null=True)),
                ("acknowledged", smart_cron.store.fields.Flag(db_default=0)),
                ("acknowledged_at", smart_cron.store.fields.Instant(null=True)),
                ("acknowledged_by", smart_cron.store.fields.Int(null=True)),
                ("resolved", smart_cron.store.fields.Flag(db_default=0)),
                ("resolved_at", smart_cron.store.fields.Instant(null=True)),
            ],
            options={
                "db_table": "smart_cron_alerts",
                "indexes": [
                    smart_cron.store.fields.PartialIndex(
                        condition=models.Q(("resolved", 0)),
                        fields=["task_id", "alert_type", "resolved"],
                        name="smart_cron_alerts_open",
                    ),
                    models.Index(fields=["created_at"], name="smart_cron_alerts_created"),
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("created_at", smart_cron.store.fields.Instant(db_default=django.db.models.functions.datetime.Now())),
                ("actor", smart_cron.store.fields.Varchar(max_length=100)),
                ("user_id", smart_cron.store.fields.Int(null=True)),
                ("source", smart_cron.store.fields.Varchar(max_length=50, null=True)),
                ("ip_address", smart_cron.store.fields.Varchar(max_length=45, null=True)),
                ("action", smart_cron.store.fields.Varchar(max_length=50)),
                ("entity_type", smart_cron.store.fields.Varchar(max_length=50)),
                ("entity_id", smart_cron.store.fields.BigInt(null=True)),
                ("entity_name", smart_cron.store.fields.Varchar(max_length=100, null=True)),
                ("old_values", smart_cron.store.fields.Text(null=True)),
                ("new_values", smart_cron.store.fields.Text(null=True)),
            ],
            options={
                "db_table": "smart_cron_audit_log",
                "indexes": [
                    models.Index(fields=["created_at"], name="smart_cron_audit_created"),
                    models.Index(fields=["entity_type", "entity_id"], name="smart_cron_audit_entity"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Backup",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("created_at", smart_cron.store.fields.Instant(db_default=django.db.models.functions.datetime.Now())),
                ("completed_at", smart_cron.store.fields.Instant(null=True)),
                ("backup_type", smart_cron.store.fields.Varchar(max_length=20)),
                ("file_path", smart_cron.store.fields.Varchar(max_length=500)),
                ("file_size_bytes", smart_cron.store.fields.BigInt(null=True)),
                ("sha256", smart_cron.store.fields.Varchar(max_length=64, null=True)),
                ("status", smart_cron.store.fields.Varchar(max_length=20)),
                ("verified", smart_cron.store.fields.Flag(db_default=0)),
                ("verified_at", smart_cron.store.fields.Instant(null=True)),
                ("error_message", smart_cron.store.fields.Varchar(max_length=1000, null=True)),
                ("details", smart_cron.store.fields.Text(null=True)),
            ],
            options={
                "db_table": "smart_cron_backups",
                "indexes": [models.Index(fields=["created_at"], name="smart_cron_backups_created")],
            },
        ),
        migrations.CreateModel(
            name="Execution",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("task_id", smart_cron.store.fields.Int()),
                ("task_name", smart_cron.store.fields.Varchar(max_length=100)),
                ("started_at", smart_cron.store.fields.Instant(null=True)),
                ("completed_at", smart_cron.store.fields.Instant(null=True)),
                ("execution_time", smart_cron.store.fields.Float(null=True)),
                ("exit_code", smart_cron.store.fields.Int(null=True)),
                ("success", smart_cron.store.fields.Flag(db_default=0)),
                ("stdout_output", smart_cron.store.fields.Text(null=True)),
                ("stderr_output", smart_cron.store.fields.Text(null=True)),
                ("error_message", smart_cron.store.fields.Varchar(max_length=1000, null=True)),
                ("error_type", smart_cron.store.fields.Varchar(max_length=100, null=True)),
                ("memory_peak_mb", smart_cron.store.fields.Int(null=True)),
                ("triggered_by", smart_cron.store.fields.Varchar(db_default="cron", max_length=50)),
                ("status", smart_cron.store.fields.Varchar(db_default="waiting", max_length=20)),
                ("scheduled_for", smart_cron.store.fields.Instant(null=True)),
                ("attempt", smart_cron.store.fields.Int(db_default=1)),
                ("priority", smart_cron.store.fields.TinyInt(db_default=5)),
                ("due_at", smart_cron.store.fields.Instant(null=True)),
                ("start_before", smart_cron.store.fields.Instant(null=True)),
                ("task_group", smart_cron.store.fields.Varchar(max_length=100, null=True)),
                ("node_tag", smart_cron.store.fields.Varchar(max_length=100, null=True)),
                ("catch_up", smart_cron.store.fields.Flag(db_default=0)),
                ("node", smart_cron.store.fields.Varchar(max_length=100, null=True)),
                ("incarnation", smart_cron.store.fields.Varchar(max_length=100, null=True)),
                ("run_id", smart_cron.store.fields.Varchar(max_length=36, null=True, unique=True)),
                ("claimed_at", smart_cron.store.fields.Instant(null=True)),
                ("launch_deadline", smart_cron.store.fields.Double(null=True)),
                ("allowed_seconds", smart_cron.store.fields.Int(null=True)),
                ("term_signal", smart_cron.store.fields.Int(null=True)),
                ("cpu_seconds", smart_cron.store.fields.Double(null=True)),
                ("output_bytes", smart_cron.store.fields.BigInt(null=True)),
                ("output_sha256", smart_cron.store.fields.Varchar(max_length=64, null=True)),
                ("output_truncated", smart_cron.store.fields.Flag(db_default=0)),
                ("output_path", smart_cron.store.fields.Varchar(max_length=500, null=True)),
                ("leftovers", smart_cron.store.fields.Text(null=True)),
                ("run_arguments", smart_cron.store.fields.Text(null=True)),
                ("cancel_reason", smart_cron.store.fields.Varchar(max_length=20, null=True)),
                ("cancel_requested_at", smart_cron.store.fields.Instant(null=True)),
                ("requested_by", smart_cron.store.fields.Varchar(max_length=100, null=True)),
                ("reason", smart_cron.store.fields.Varchar(max_length=255, null=True)),
                ("settled_by", smart_cron.store.fields.Varchar(max_length=100, null=True)),
                ("late", smart_cron.store.fields.Flag(db_default=0)),
                ("created_at", smart_cron.store.fields.Instant(db_default=django.db.models.functions.datetime.Now())),
                (
                    "queue_rank",
                    models.GeneratedField(
                        db_persist=True,
                        expression=smart_cron.store.fields.RowSql(
                            "CASE status\n    WHEN 'waiting' THEN priority + 20 * catch_up\n        + CASE WHEN node_tag IS NULL THEN 0 ELSE 40 END\n    WHEN 'delayed' THEN -1 WHEN 'queued' THEN -2\n    WHEN 'blocked' THEN priority - 20 WHEN 'claimed' THEN 0 WHEN 'running' THEN 0 WHEN 'unreachable' THEN 0 END"
                        ),
                        output_field=smart_cron.store.fields.TinyInt(),
                    ),
                ),
                (
                    "active_task_id",
                    models.GeneratedField(
                        db_persist=True,
                        expression=smart_cron.store.fields.RowSql(
                            "CASE WHEN status IN ('waiting', 'queued', 'blocked', 'claimed', 'running', 'unreachable') THEN task_id END"
                        ),
                        output_field=smart_cron.store.fields.Int(),
                    ),
                ),
                (
                    "failure_status",
                    models.GeneratedField(
                        db_persist=True,
                        expression=smart_cron.store.fields.RowSql(
                            "CASE WHEN status IN ('failed', 'timeout', 'killed', 'oom', 'lost', 'start_failed') THEN status END"
                        ),
                        output_field=smart_cron.store.fields.Varchar(max_length=20),
                    ),
                ),
            ],
            options={
                "db_table": "smart_cron_executions",
                "indexes": [
                    smart_cron.store.fields.PartialIndex(
                        condition=models.Q(("queue_rank__isnull", False)),
                        fields=["queue_rank", "due_at", "id"],
                        name="smart_cron_executions_queue",
                    ),
                    smart_cron.store.fields.PartialIndex(
                        condition=models.Q(("active_task_id__isnull", False)),
                        fields=["active_task_id", "id"],
                        name="smart_cron_executions_active",
                    ),
                    smart_cron.store.fields.PartialIndex(
                        condition=models.Q(("failure_status__isnull", False)),
                        fields=["failure_status", "id"],
                        name="smart_cron_executions_failed",
                    ),
                    models.Index(fields=["task_id", "id"], name="smart_cron_executions_task"),
                    models.Index(fields=["started_at"], name="smart_cron_executions_start"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("task_id", "scheduled_for", "attempt"), name="smart_cron_executions_slot"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="HealthCheck",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("checked_at", smart_cron.store.fields.Instant(db_default=django.db.models.functions.datetime.Now())),
                ("node", smart_cron.store.fields.Varchar(max_length=100, null=True)),
                ("check_name", smart_cron.store.fields.Varchar(max_length=100)),
                ("status", smart_cron.store.fields.Varchar(max_length=20)),
                ("message", smart_cron.store.fields.Varchar(max_length=1000, null=True)),
                ("details", smart_cron.store.fields.Text(null=True)),
                ("response_time_ms", smart_cron.store.fields.Double(null=True)),
            ],
            options={
                "db_table": "smart_cron_health_checks",
                "indexes": [models.Index(fields=["check_name", "checked_at"], name="smart_cron_health_checked")],
            },
        ),
        migrations.CreateModel(
            name="Metric",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("recorded_at", smart_cron.store.fields.Instant(db_default=django.db.models.functions.datetime.Now())),
                ("node", smart_cron.store.fields.Varchar(max_length=100, null=True)),
                ("task_id", smart_cron.store.fields.Int(null=True)),
                ("metric_name", smart_cron.store.fields.Varchar(max_length=100)),
                ("metric_value", smart_cron.store.fields.Double()),
                ("unit", smart_cron.store.fields.Varchar(max_length=20, null=True)),
            ],
            options={
                "db_table": "smart_cron_metrics",
                "indexes": [models.Index(fields=["metric_name", "recorded_at"], name="smart_cron_metrics_recorded")],
            },
        ),
        migrations.CreateModel(
            name="RateLimit",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("limit_key", smart_cron.store.fields.Varchar(max_length=255, unique=True)),
                ("hits", smart_cron.store.fields.Int(db_default=0)),
                ("window_started_at", smart_cron.store.fields.Instant(null=True)),
                ("expires_at", smart_cron.store.fields.Instant(null=True)),
            ],
            options={
                "db_table": "smart_cron_rate_limits",
                "indexes": [models.Index(fields=["expires_at"], name="smart_cron_rate_limits_expiry")],
            },
        ),
        migrations.CreateModel(
            name="SkippedSlots",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("task_id", smart_cron.store.fields.Int()),
                ("task_name", smart_cron.store.fields.Varchar(max_length=100)),
                ("first_slot", smart_cron.store.fields.Instant(null=True)),
                ("last_slot", smart_cron.store.fields.Instant(null=True)),
                ("slot_count", smart_cron.store.fields.BigInt()),
                ("outcome", smart_cron.store.fields.Varchar(max_length=20)),
                ("reason", smart_cron.store.fields.Varchar(max_length=255)),
                ("schedule_pattern", smart_cron.store.fields.Varchar(max_length=255)),
                ("time_zone", smart_cron.store.fields.Varchar(max_length=64)),
                ("recorded_at", smart_cron.store.fields.Instant(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "smart_cron_skipped_slots",
                "indexes": [
                    models.Index(fields=["task_id", "last_slot"], name="smart_cron_skipped_slots_task"),
                    smart_cron.store.fields.PartialIndex(
                        condition=models.Q(("outcome", "held")),
                        fields=["outcome", "task_id"],
                        name="smart_cron_skipped_slots_held",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TaskConfig",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("task_name", smart_cron.store.fields.Varchar(max_length=100, unique=True)),
                ("task_description", smart_cron.store.fields.Varchar(max_length=500, null=True)),
                ("task_script", smart_cron.store.fields.Varchar(db_default="", max_length=255)),
                ("schedule_pattern", smart_cron.store.fields.Varchar(max_length=255)),
                ("priority", smart_cron.store.fields.TinyInt(db_default=5)),
                ("timeout_seconds", smart_cron.store.fields.Int(db_default=3600)),
                ("enabled", smart_cron.store.fields.Flag(db_default=1)),
                ("max_retries", smart_cron.store.fields.TinyInt(db_default=0)),
                ("retry_delay_seconds", smart_cron.store.fields.Int(db_default=60)),
                ("failure_threshold", smart_cron.store.fields.Int(db_default=5)),
                ("consecutive_failures", smart_cron.store.fields.Int(db_default=0)),
                ("alert_on_failure", smart_cron.store.fields.Flag(db_default=1)),
                ("alert_email", smart_cron.store.fields.Varchar(max_length=255, null=True)),
                ("is_running", smart_cron.store.fields.Flag(db_default=0)),
                ("last_run_at", smart_cron.store.fields.Instant(null=True)),
                ("next_run_at", smart_cron.store.fields.Instant(null=True)),
                ("total_executions", smart_cron.store.fields.BigInt(db_default=0)),
                ("total_successes", smart_cron.store.fields.BigInt(db_default=0)),
                ("total_failures", smart_cron.store.fields.BigInt(db_default=0)),
                ("avg_execution_time", smart_cron.store.fields.Float(null=True)),
                ("alert_slack_webhook", smart_cron.store.fields.Varchar(max_length=500, null=True)),
                ("shell_command", smart_cron.store.fields.Text(null=True)),
                ("task_arguments", smart_cron.store.fields.Text(null=True)),
                ("stdin_text", smart_cron.store.fields.Text(null=True)),
                ("time_zone", smart_cron.store.fields.Varchar(max_length=64, null=True)),
                ("on_missed", smart_cron.store.fields.Varchar(db_default="latest", max_length=10)),
                ("start_deadline_seconds", smart_cron.store.fields.Int(null=True)),
                ("on_overlap", smart_cron.store.fields.Varchar(db_default="skip", max_length=10)),
                ("retry_lost", smart_cron.store.fields.Flag(db_default=0)),
                ("kill_grace_seconds", smart_cron.store.fields.Int(db_default=10)),
                ("success_exit_codes", smart_cron.store.fields.Varchar(db_default="0", max_length=255)),
                ("task_group", smart_cron.store.fields.Varchar(max_length=100, null=True)),
                ("node_tag", smart_cron.store.fields.Varchar(max_length=100, null=True)),
                ("run_as_user", smart_cron.store.fields.Varchar(max_length=64, null=True)),
                ("working_directory", smart_cron.store.fields.Varchar(max_length=255, null=True)),
                ("umask", smart_cron.store.fields.Varchar(max_length=4, null=True)),
                ("environment", smart_cron.store.fields.Text(null=True)),
                ("max_memory_mb", smart_cron.store.fields.Int(null=True)),
                ("max_cpu_seconds", smart_cron.store.fields.Int(null=True)),
                ("max_open_files", smart_cron.store.fields.Int(null=True)),
                ("max_processes", smart_cron.store.fields.Int(null=True)),
                ("max_output_bytes", smart_cron.store.fields.BigInt(db_default=10000000)),
                ("nice", smart_cron.store.fields.TinyInt(db_default=0)),
                ("sandbox", smart_cron.store.fields.Varchar(db_default="standard", max_length=10)),
                ("sandbox_network", smart_cron.store.fields.Flag(db_default=1)),
                ("keep_processes", smart_cron.store.fields.Flag(db_default=0)),
                ("merge_output", smart_cron.store.fields.Flag(db_default=0)),
                ("origin", smart_cron.store.fields.Varchar(max_length=255, null=True)),
                ("last_status", smart_cron.store.fields.Varchar(max_length=20, null=True)),
                ("running_execution_id", smart_cron.store.fields.BigInt(null=True)),
                ("timed_executions", smart_cron.store.fields.BigInt(db_default=0)),
                ("timed_seconds", smart_cron.store.fields.Double(db_default=0.0)),
                ("invalid_reason", smart_cron.store.fields.Varchar(max_length=500, null=True)),
                ("planned_pattern", smart_cron.store.fields.Varchar(max_length=255, null=True)),
                ("planned_zone", smart_cron.store.fields.Varchar(max_length=65, null=True)),
                ("planned_enabled", smart_cron.store.fields.Flag(null=True)),
                ("planned_policy", smart_cron.store.fields.Varchar(max_length=80, null=True)),
                ("planned_next_run_at", smart_cron.store.fields.Instant(null=True)),
                ("accounted_until", smart_cron.store.fields.Instant(null=True)),
                ("created_at", smart_cron.store.fields.Instant(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", smart_cron.store.fields.Instant(db_default=django.db.models.functions.datetime.Now())),
                (
                    "needs_planning",
                    models.GeneratedField(
                        db_persist=True,
                        expression=smart_cron.store.fields.RowSql(
                            "CASE\n    WHEN planned_enabled IS NULL OR planned_enabled <> enabled\n      OR planned_pattern IS NULL OR planned_pattern <> schedule_pattern\n      OR planned_zone IS NULL OR planned_zone <> time_zone\n      OR (time_zone IS NULL AND substr(planned_zone, 1, 1) <> '*')\n      OR planned_policy IS NULL OR planned_policy <> {policy}\n      OR (enabled <> 0 AND (next_run_at <> planned_next_run_at\n                            OR (next_run_at IS NULL) <> (planned_next_run_at IS NULL)))\n    THEN 1 ELSE 0 END"
                        ),
                        output_field=smart_cron.store.fields.TinyInt(),
                    ),
                ),
                (
                    "plannable",
                    models.GeneratedField(
                        db_persist=True,
                        expression=smart_cron.store.fields.RowSql(
                            "CASE WHEN enabled <> 0 AND invalid_reason IS NULL THEN 1 ELSE 0 END"
                        ),
                        output_field=smart_cron.store.fields.TinyInt(),
                    ),
                ),
            ],
            options={
                "db_table": "smart_cron_tasks_config",
                "indexes": [
                    smart_cron.store.fields.PartialIndex(
                        condition=models.Q(("plannable", 1)),
                        fields=["plannable", "next_run_at", "id"],
                        name="smart_cron_tasks_due",
                    ),
                    smart_cron.store.fields.PartialIndex(
                        condition=models.Q(("needs_planning", 1)),
                        fields=["needs_planning", "id"],
                        name="smart_cron_tasks_changed",
                    ),
                    smart_cron.store.fields.PartialIndex(
                        condition=models.Q(("is_running", 0), _negated=True),
                        fields=["is_running"],
                        name="smart_cron_tasks_running",
                    ),
                    models.Index(fields=["origin"], name="smart_cron_tasks_origin"),
                ],
            },
        ),
    ]
