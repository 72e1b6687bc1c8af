"""`smart-cron backup list`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

import click

from smart_cron.core.backup import Backup, BackupStatus
from smart_cron.faces.cli.backup_words import document, keeper_near
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.tables import Cell, Column, show_table
from smart_cron.faces.cli.text import instant_in_full, size

COLUMNS = (
    Column(title="Backup"),
    Column(title="Taken"),
    Column(title="Holds"),
    Column(title="Why"),
    Column(title="Size", right=True),
    Column(title="State"),
    Column(title="Label"),
    Column(title="Remark", gives_way=True),
)
STYLES = {BackupStatus.VERIFIED: "green", BackupStatus.UNVERIFIED: "yellow", BackupStatus.FAILED: "bold red"}


@click.command("list")
@json_option
@pass_session
def list_backups(session: Session, /, *, as_json: bool) -> None:
    """List the backups with what is known of each.

    Files that somebody laid into the folder are there, too, as 'by hand'. One counts once it is verified.
    """
    from smart_cron.core.zones import zone

    with session.house() as house:
        backups, place = keeper_near(house).everything(), zone(house.config.time_zone)
    if as_json:
        print_json([document(backup) for backup in backups])
        return
    rows = [_row(backup, place) for backup in backups]
    show_table(COLUMNS, rows, empty="There is no backup yet. Take one: smart-cron backup create")


def _row(backup: Backup, zone: tzinfo) -> Sequence[Cell | str]:
    return [
        backup.name,
        instant_in_full(backup.created_at, zone=zone),
        str(backup.kind),
        str(backup.reason or "by hand"),
        size(backup.size_bytes) if backup.is_there else "–",
        Cell(str(backup.status), STYLES[backup.status]),
        backup.label or "–",
        backup.error or "–",
    ]
