"""`smart-cron backup create`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from smart_cron.core.backup import BackupKind, BackupReason, file_name
from smart_cron.core.builtin import BACKUP
from smart_cron.faces.cli.backup_words import document, judged, keeper_near, progress, sentence
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.options import dry_run_option, json_option
from smart_cron.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from smart_cron.wiring import House


@click.command()
@click.option("--config-only", is_flag=True, help="Take only what people define: tasks, and jobs that report by ping.")
@click.option("--label", help="A word of yours to know it by, up to 100 letters.")
@dry_run_option
@json_option
@pass_session
def create(session: Session, /, *, config_only: bool, label: str | None, dry_run: bool, as_json: bool) -> None:
    """Take a backup, and prove it by a restore beside the live tables.

    It is of one moment, however many tasks run meanwhile. The exit code is 1 where it could not be taken or proven.
    """
    if label is not None and not 0 < len(label) <= 100:
        raise click.BadParameter("a label has 1 to 100 letters.", param_hint="--label")
    kind = BackupKind.CONFIG if config_only else BackupKind.FULL
    reason = BackupReason.DAILY if os.environ.get("SMART_CRON_TASK") == BACKUP else BackupReason.MANUAL
    with session.house() as house:
        if dry_run:
            _rehearse(house, kind, reason)
            return
        progress("Taking the backup and restoring it for a trial")
        backup = keeper_near(house).create(kind, reason, label=label)
    if as_json:
        print_json(document(backup))
    else:
        click.echo(sentence(backup))
    sys.stdout.flush()
    raise click.exceptions.Exit(judged(backup))


def _rehearse(house: House, kind: BackupKind, reason: BackupReason) -> None:
    from smart_cron.wiring.backups import keeper_of

    keeper = keeper_of(house)
    name = file_name(kind, reason, house.clock.now().astimezone(keeper.rules.zone))
    click.echo(f"Would take {keeper.folder.path / name} and restore it for a trial.")
