"""Who takes part, and what is held back for all of them."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from smart_cron.store.fields import BigInt, Instant, Int, Varchar


class Node(models.Model):
    """A state directory with a task runner. `heartbeat_at` is the database's clock, as all times between nodes.

    `identity` is the random id of its state directory: two of one name are told apart by it. `heartbeats` only ever
    grows; a state directory that remembers more than stands here has met a restored database.
    """

    id: models.AutoField[int, int] = models.AutoField(primary_key=True)
    node_name = Varchar(max_length=100, unique=True)
    identity = Varchar(max_length=64)
    boot_id = Varchar(max_length=64)
    host = Varchar(max_length=255)
    version = Varchar(max_length=50)
    master_pid = Int(null=True)
    tags = Varchar(max_length=500, db_default="")
    max_concurrent = Int()
    heartbeats = BigInt(db_default=0)
    heartbeat_at = Instant(null=True)
    started_at = Instant(db_default=Now())
    # Set by an orderly end: such a node is absent, not silent.
    stopped_at = Instant(null=True)
    # Struck out by a person. The row stays: were it gone, the node would take the database for a restored one.
    forgotten_at = Instant(null=True)

    class Meta:
        db_table = "smart_cron_nodes"


class Hold(models.Model):
    """While a row stands here nothing is started anywhere. Its `kind` says by what and how it is undone."""

    id: models.AutoField[int, int] = models.AutoField(primary_key=True)
    kind = Varchar(max_length=20, unique=True)
    reason = Varchar(max_length=500)
    actor = Varchar(max_length=100)
    created_at = Instant(db_default=Now())

    class Meta:
        db_table = "smart_cron_holds"
