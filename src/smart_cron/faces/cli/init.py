"""`smart-cron init`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from smart_cron.faces.cli.options import dry_run_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.text import printable

if TYPE_CHECKING:
    from smart_cron.config import Config

SERVICE_USER = "www-data"


@click.command()
@click.option(
    "--user",
    is_flag=False,
    flag_value=SERVICE_USER,
    help=f"Set up for everyone on this machine, run by this user [{SERVICE_USER} where none is named]; root only.",
)
@dry_run_option
@pass_session
def init(session: Session, /, *, user: str | None, dry_run: bool) -> None:
    """Prepare folders, settings and database.

    What is there already is left as it is; a second call changes nothing. Without --user the home is your own.
    """
    if user is not None:
        _for_everyone(user, dry_run=dry_run)
        return
    from smart_cron.wiring import prepare
    from smart_cron.wiring.backups import take_first_backup
    from smart_cron.wiring.builtin import enter_builtin_tasks

    config = session.config()
    done = _missing(config) if dry_run else prepare(config)
    for sentence in done:
        click.echo(sentence)
    if dry_run:
        click.echo("Nothing was done." if done else f"{config.home} is prepared already.")
        return
    # Before the first use of the account that runs: it may have been given nothing yet.
    _print_grants(config)
    for sentence in enter_builtin_tasks(config):
        click.echo(sentence)
    _say(take_first_backup(config))
    click.echo(f"Smart Cron is ready in {config.home}. 'smart-cron task add --help' says how to define a task.")


def _for_everyone(user: str, *, dry_run: bool) -> None:
    from smart_cron.config import SYSTEM_FILE, load_config
    from smart_cron.installation import FOLDERS, prepare_for_everyone, require_installer
    from smart_cron.wiring.backups import take_first_backup
    from smart_cron.wiring.builtin import enter_builtin_tasks

    if os.environ.get("SMART_CRON_HOME"):
        raise click.UsageError("--user and SMART_CRON_HOME exclude each other: unset the variable.")
    require_installer(user)
    if dry_run:
        missing = [path for path in (*FOLDERS, SYSTEM_FILE) if not path.exists()]
        for path in missing:
            click.echo(f"would make {path}")
        click.echo("Nothing was done." if missing else f"{SYSTEM_FILE} and its folders are there already.")
        return
    for sentence in prepare_for_everyone(user):
        click.echo(sentence)
    for sentence in enter_builtin_tasks(load_config()):
        click.echo(sentence)
    _say(take_first_backup(load_config()))
    click.echo(f"Smart Cron is ready for everyone. Start it as its user: runuser -u {user} -- smart-cron master")


def _print_grants(config: Config) -> None:
    """Where a server holds the tables, its accounts need no more than this."""
    if config.database_url.startswith("sqlite:"):
        return
    from smart_cron.faces.cli.db_grants import statements_for

    for statement in statements_for(config):
        click.echo(statement)


def _say(sentence: str | None) -> None:
    if sentence is not None:
        click.echo(printable(sentence))


def _missing(config: Config) -> list[str]:
    folders = (config.state_dir, config.log_dir, config.run_dir, config.backup_dir)
    found = [f"would make {folder}" for folder in folders if not folder.is_dir()]
    if not config.file.exists():
        found.append(f"would write {config.file}")
    # The database is not asked where its folder is missing: a look at SQLite would make the file.
    if not config.state_dir.is_dir() or not _tables_are_there(config):
        found.append("would create or update the tables")
    return found


def _tables_are_there(config: Config) -> bool:
    from smart_cron.core.errors import SchemaError
    from smart_cron.wiring import open_house

    try:
        open_house(config).close()
    except SchemaError:
        return False
    return True
