"""`smart-cron backup`: the commands on backups."""

from __future__ import annotations

import click

from smart_cron.faces.cli.lazy import LazyGroup

COMMANDS = {
    "create": ("backup_create:create", "Take a backup, and prove it by a restore beside the live tables."),
    "list": ("backup_list:list_backups", "List the backups with what is known of each."),
    "verify": ("backup_verify:verify", "Restore backups for a trial, and compare every row."),
    "restore": ("backup_restore:restore", "Put a backup in the place of what is there now."),
    "prune": ("backup_prune:prune", "Delete backups that are old enough."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def backup() -> None:
    """Take backups, prove them, and bring them back."""
