"""`smart-cron backup prune`."""

from __future__ import annotations

import click

from smart_cron.faces.cli.backup_words import document
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.options import dry_run_option, json_option
from smart_cron.faces.cli.session import Session, pass_session


@click.command()
@dry_run_option
@json_option
@pass_session
def prune(session: Session, /, *, dry_run: bool, as_json: bool) -> None:
    """Delete backups that are old enough.

    Kept are 30 days of them, the first proven one of each week for 90 days and of each month for a year, and always
    the last proven one; files that somebody laid into the folder stay. The settings in [backup] say otherwise.
    """
    from smart_cron.wiring.backups import prune_backups

    with session.house() as house:
        gone = prune_backups(house, dry_run=dry_run)
    if as_json:
        print_json([document(backup) for backup in gone])
        return
    for backup in gone:
        click.echo(f"{'Would delete' if dry_run else 'Deleted'} {backup.name}.")
    if not gone:
        click.echo("No backup is old enough.")
