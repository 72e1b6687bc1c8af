"""`smart-cron backup verify`."""

from __future__ import annotations

import sys

import click

from smart_cron.core.backup import LATEST
from smart_cron.faces.cli.backup_words import document, judged, keeper_near, progress, sentence
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.options import dry_run_option, json_option
from smart_cron.faces.cli.session import Session, pass_session


@click.command()
@click.argument("backups", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Verify every backup in the folder.")
@click.option("--drill", is_flag=True, help="Open a scheduler on the restored copy, too, and ask for its due tasks.")
@dry_run_option
@json_option
@pass_session
def verify(
    session: Session, /, *, backups: tuple[str, ...], every: bool, drill: bool, dry_run: bool, as_json: bool
) -> None:
    """Restore backups for a trial, and compare every row.

    BACKUPS are names in the folder, or paths; the latest one where none is named. The exit code is 1 where one is not
    what it was.
    """
    if every and backups:
        raise click.UsageError("--all and names of backups exclude each other.")
    with session.house(knows_logins=True) as house:
        keeper = keeper_near(house)
        chosen = keeper.backups() if every else [keeper.find(name) for name in backups or (LATEST,)]
        if dry_run:
            for backup in chosen:
                click.echo(f"Would restore {backup.path} for a trial.")
            return
        found = []
        for backup in chosen:
            progress(f"Restoring {backup.name} for a trial")
            found.append(keeper.verify(backup, drill=drill))
            if not as_json:
                click.echo(sentence(found[-1]))
    if as_json:
        print_json([document(backup) for backup in found])
    sys.stdout.flush()
    raise click.exceptions.Exit(max([judged(backup) for backup in found], default=0))
