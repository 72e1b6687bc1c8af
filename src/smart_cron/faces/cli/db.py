"""`smart-cron db`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smart_cron.core.backup import BackupStatus
from smart_cron.core.errors import SchemaError, SmartCronError
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.errors import FAILED, complain
from smart_cron.faces.cli.lazy import LazyGroup
from smart_cron.faces.cli.options import dry_run_option, json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.text import printable

if TYPE_CHECKING:
    from smart_cron.wiring import House

COMMANDS = {
    "migrate": ("db:migrate", "Bring the tables up to date."),
    "grants": ("db_grants:grants", "Print what gives the database's accounts no more than they need."),
    "check": ("db:check", "Say whether server and tables fit this version."),
    "move": ("db_move:move", "Carry the whole database over to another one, SQLite, MariaDB, MySQL or PostgreSQL."),
}

MAKE_ANEW = "Run 'smart-cron db migrate'."


@click.group(cls=LazyGroup, lazy=COMMANDS)
def db() -> None:
    """Create, update and check the tables."""


@click.command()
@click.option("--no-backup", is_flag=True, help="Do not take a backup of the old tables first.")
@click.option(
    "--php-time-zone",
    metavar="ZONE",
    help="Where the PHP system's DATETIMEs were written: Pacific/Auckland, +13:00 [the database server's zone].",
)
@dry_run_option
@pass_session
def migrate(session: Session, /, *, no_backup: bool, php_time_zone: str | None, dry_run: bool) -> None:
    """Bring the tables up to date.

    Tables that are there are saved first; running tasks are not touched. Views and routines are made anew each time.
    Tables of the original PHP system are taken over, with every row; they stay as they were under the names
    <name>_php. With [database] migrate_url this is done by an account of its own.
    """
    if dry_run:
        with session.house(check_schema=False) as house:
            click.echo(_preview(house))
        return
    from smart_cron.core.adoption import Adoption, read_zone
    from smart_cron.wiring import migrate as bring_up_to_date

    if php_time_zone is not None:
        read_zone(php_time_zone)
    not_made: list[str] = []
    with session.house(check_schema=False) as house:
        if not no_backup and _is_behind(house):
            _save(house)
        # What was to be saved has been, the tables of a PHP system included.
        adoption = Adoption(backup=None, without_backup=True, zone=php_time_zone, say=_say)
        names = bring_up_to_date(house.config, adoption, actor=session.actor, not_made=not_made.append)
    for name in names:
        click.echo(f"applied {name}")
    click.echo("The tables are up to date." if names else "The tables were up to date already.")
    for sentence in not_made:
        complain(f"{sentence} The scheduler works without it; give the account the right, then migrate again.")


def _say(sentence: str) -> None:
    click.echo(printable(sentence))


def _is_behind(house: House) -> bool:
    try:
        house.store.database.check()
    except SchemaError:
        return True
    return False


def _save(house: House) -> None:
    from smart_cron.wiring.backups import save_before_migration

    try:
        backup = save_before_migration(house)
    except SmartCronError as fault:
        raise SmartCronError(
            f"the tables could not be saved before: {fault.message}",
            remedy=f"{fault.remedy} To do without: smart-cron db migrate --no-backup".strip(),
        ) from None
    if backup is not None:
        state = "" if backup.status is BackupStatus.VERIFIED else f", which is {backup.status}: {backup.error}"
        click.echo(printable(f"saved the tables as they were: {backup.path}{state}"))


def _preview(house: House) -> str:
    try:
        house.store.database.check()
    except SchemaError as fault:
        return f"Would migrate: {fault}"
    if missing := house.store.public.missing():
        return "\n".join(["The tables are up to date. Would make anew:", *missing])
    return "The tables are up to date: there is nothing to do."


@click.command()
@json_option
@pass_session
def check(session: Session, /, *, as_json: bool) -> int:
    """Say whether server and tables fit this version.

    The exit code is 1 where they do not, or where a view or routine is missing: 'db migrate' makes it anew.
    """
    from smart_cron.config import masked_url

    url = masked_url(session.config().database_url)
    with session.house() as house:
        unguarded = house.store.audit.unguarded()
        offset = (house.store.database.now() - house.clock.now()).total_seconds()
        missing, remarks = house.store.public.missing(), house.store.public.remarks()
    code = FAILED if missing else 0
    if as_json:
        found = {"audit_unguarded": unguarded, "missing": missing, "remarks": remarks}
        print_json({"url": url, "fits": True, "clock_offset_seconds": round(offset, 3), **found})
        return code
    click.echo(f"The database {url} answers, and its tables fit this version.")
    if unguarded:
        click.echo(f"Note: {unguarded}")
    if abs(offset) >= 1:
        click.echo(f"Its clock is {abs(offset):.1f} s {'ahead of' if offset > 0 else 'behind'} this machine's.")
    for sentence in remarks:
        click.echo(sentence)
    for sentence in missing:
        complain(f"{sentence} {MAKE_ANEW}")
    return code
