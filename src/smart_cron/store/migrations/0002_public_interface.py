import django.db.models.functions.datetime
from django.db import migrations, models

import smart_cron.store.fields


class Migration(migrations.Migration):
    dependencies = [
        ("smart_cron", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="TaskRevision",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("task_id", smart_cron.store.fields.Int()),
                ("task_name", smart_cron.store.fields.Varchar(max_length=100)),
                ("revision", smart_cron.store.fields.Int()),
                ("definition", smart_cron.store.fields.LongText()),
                ("saved_at", smart_cron.store.fields.Instant(db_default=django.db.models.functions.datetime.Now())),
                ("actor", smart_cron.store.fields.Varchar(max_length=100)),
                ("source", smart_cron.store.fields.Varchar(max_length=50, null=True)),
            ],
            options={
                "db_table": "smart_cron_task_revisions",
            },
        ),
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("sealed_rows", smart_cron.store.fields.BigInt(db_default=0)),
                ("last_id", smart_cron.store.fields.BigInt(null=True)),
                ("row_hash", smart_cron.store.fields.Varchar(max_length=64, null=True)),
            ],
            options={
                "db_table": "smart_cron_audit_head",
            },
        ),
        migrations.AddField(
            model_name="auditentry",
            name="previous_hash",
            field=smart_cron.store.fields.Varchar(max_length=64, null=True),
        ),
        migrations.AddField(
            model_name="auditentry",
            name="row_hash",
            field=smart_cron.store.fields.Varchar(max_length=64, null=True),
        ),
        migrations.AddField(
            model_name="backup",
            name="label",
            field=smart_cron.store.fields.Varchar(max_length=100, null=True),
        ),
        migrations.AddField(
            model_name="backup",
            name="node",
            field=smart_cron.store.fields.Varchar(max_length=100, null=True),
        ),
        migrations.AddField(
            model_name="backup",
            name="reason",
            field=smart_cron.store.fields.Varchar(max_length=20, null=True),
        ),
        migrations.AddIndex(
            model_name="execution",
            index=smart_cron.store.fields.PartialIndex(
                condition=models.Q(("failure_status__isnull", False)),
                fields=["failure_status", "completed_at"],
                name="smart_cron_executions_fails",
            ),
        ),
        migrations.AddConstraint(
            model_name="taskrevision",
            constraint=models.UniqueConstraint(fields=("task_id", "revision"), name="smart_cron_task_revisions_number"),
        ),
    ]
