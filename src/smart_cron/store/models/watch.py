"""Tables of our own for watching: messages on their way, samples of nodes, jobs elsewhere that report to us."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from smart_cron.store.fields import BigInt, Double, Flag, Instant, Int, LongText, PartialIndex, Varchar


class Delivery(models.Model):
    """The outbox: one message to one receiver over one channel.

    `status` is pending, sent, failed (for good) or dropped; `content` is the message as JSON, ready to be sent.
    """

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    created_at = Instant(db_default=Now())
    kind = Varchar(max_length=20)
    channel = Varchar(max_length=100)
    # Where to, for what a task names itself; it may be a secret. Else the channel of the settings knows.
    target = Varchar(max_length=500, null=True)
    severity = Varchar(max_length=20, null=True)
    fold_key = Varchar(max_length=200, null=True)
    subject = Varchar(max_length=255)
    content = LongText(null=True)
    alert_ids = LongText(null=True)
    alert_count = Int(db_default=1)
    status = Varchar(max_length=20, db_default="pending")
    attempts = Int(db_default=0)
    next_attempt_at = Instant(null=True)
    leased_until = Instant(null=True)
    leased_by = Varchar(max_length=100, null=True)
    last_error = Varchar(max_length=1000, null=True)
    answer = Varchar(max_length=500, null=True)
    sent_at = Instant(null=True)

    class Meta:
        db_table = "smart_cron_deliveries"
        indexes = [
            PartialIndex(
                fields=["status", "next_attempt_at", "id"],
                name="smart_cron_deliveries_pending",
                condition=models.Q(status="pending"),
            ),
            models.Index(fields=["channel", "sent_at"], name="smart_cron_deliveries_sent"),
            models.Index(fields=["created_at"], name="smart_cron_deliveries_created"),
        ]


class NodeSample(models.Model):
    """What a node used, once a minute."""

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    sampled_at = Instant(db_default=Now())
    node = Varchar(max_length=100)
    cpu_percent = Double(null=True)
    memory_percent = Double(null=True)
    memory_used_mb = Int(null=True)
    swap_percent = Double(null=True)
    load_1m = Double(null=True)
    disk_percent = Double(null=True)
    inode_percent = Double(null=True)
    disk_free_mb = BigInt(null=True)
    running = Int(null=True)
    waiting = Int(null=True)
    unrecorded = Int(null=True)

    class Meta:
        db_table = "smart_cron_node_samples"
        indexes = [
            models.Index(fields=["node", "sampled_at"], name="smart_cron_samples_node"),
            models.Index(fields=["sampled_at"], name="smart_cron_samples_time"),
        ]


class PingCheck(models.Model):
    """A job that runs elsewhere and reports by `/ping/KEY`. Of the key only its SHA-256 is kept."""

    id: models.AutoField[int, int] = models.AutoField(primary_key=True)
    check_name = Varchar(max_length=100, unique=True)
    description = Varchar(max_length=500, null=True)
    key_hash = Varchar(max_length=64, unique=True)
    key_hint = Varchar(max_length=8)
    period_seconds = Int()
    grace_seconds = Int()
    longest_run_seconds = Int(null=True)
    enabled = Flag(db_default=1)
    alert_email = Varchar(max_length=255, null=True)
    created_at = Instant(db_default=Now())
    # When a web server last said that it takes pings, and since when it does so without a gap.
    listened_at = Instant(null=True)
    back_at = Instant(null=True)
    last_start_at = Instant(null=True)
    last_ping_at = Instant(null=True)
    last_exit_code = Int(null=True)
    last_duration = Double(null=True)
    last_words = Varchar(max_length=1000, null=True)
    pings = BigInt(db_default=0)
    state = Varchar(max_length=20, db_default="new")

    class Meta:
        db_table = "smart_cron_ping_checks"
