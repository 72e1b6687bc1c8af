"""`smart-cron backup restore`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from smart_cron.core.backup import CONFIG_TABLES, TABLES
from smart_cron.faces.cli.account_words import accounts_document, accounts_done, accounts_planned
from smart_cron.faces.cli.backup_words import document, progress
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.errors import complain
from smart_cron.faces.cli.options import dry_run_option, json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.text import counted, printable

if TYPE_CHECKING:
    from smart_cron.services.backup.restoring import Plan, Restored
    from smart_cron.wiring import House


@click.command()
@click.argument("backup")
@click.option("--table", "tables", multiple=True, metavar="TABLE", help="Restore this table alone; may be repeated.")
@click.option("--config-only", is_flag=True, help="Restore only what people define; runs and figures stay.")
@click.option(
    "--with-accounts/--without-accounts",
    "accounts",
    default=None,
    help="Bring users and API keys back, too, or leave those that are here; without either they come back where nobody"
    " may log in.",
)
@click.option("--no-backup", is_flag=True, help="Do not save what is there now.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@dry_run_option
@json_option
@pass_session
def restore(
    session: Session,
    /,
    *,
    backup: str,
    tables: tuple[str, ...],
    config_only: bool,
    accounts: bool | None,
    no_backup: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Put a backup in the place of what is there now.

    BACKUP is a name in the folder, latest.sql.gz, or a path. What is there is saved first, starts are held, and the
    backup is proven beside the live tables before it takes their place, all at once. Running tasks go on. Afterwards
    the time since the backup is settled, and nothing of it starts.

    Who may log in stays as it is, so that nobody comes back who was locked out since: --with-accounts says whom that
    would be, and brings them back.
    """
    from smart_cron.services.backup.restoring import plan_restore
    from smart_cron.services.backup.restoring import restore as put_in_place
    from smart_cron.wiring.backups import house_to_restore_into, keeper_of

    wanted = _wanted(tables, config_only=config_only)
    if not (yes or dry_run or sys.stdin.isatty()):
        raise click.UsageError("There is no terminal to ask at: give --yes, or --dry-run to look only.")
    with session.house(check_schema=False, knows_logins=True) as house:
        is_empty = house_to_restore_into(house, dry_run=dry_run)
        keeper = keeper_of(house)
        progress("Looking the backup through")
        plan = plan_restore(keeper, keeper.find(backup), tables=wanted, accounts=accounts)
        if not as_json or not yes:
            _say_what_is_replaced(plan, quiet=as_json, dry_run=dry_run)
        if dry_run:
            if as_json:
                told = accounts_document(plan, plan.changes)
                print_json({"backup": document(plan.backup), "tables": list(plan.tables), "accounts": told})
            return
        if not yes:
            click.confirm("Put it in their place?", abort=True, err=as_json)
        progress("Saving what is there, and restoring")
        save = not (no_backup or is_empty)
        done = put_in_place(keeper, house.store.holds, plan, actor=session.actor, save=save)
        settled = settle(house, plan, session.actor)
    _say_what_was_done(plan, done, settled, as_json=as_json)


def _wanted(tables: tuple[str, ...], *, config_only: bool) -> tuple[str, ...]:
    if config_only and tables:
        raise click.UsageError("--config-only and --table exclude each other.")
    foreign = [name for name in tables if name not in TABLES]
    if foreign:
        raise click.BadParameter(
            f"'{printable(foreign[0], limit=80)}' is no table of ours; they are {', '.join(TABLES)}.",
            param_hint="--table",
        )
    return CONFIG_TABLES if config_only else tuple(name for name in TABLES if name in tables)


def _say_what_is_replaced(plan: Plan, *, quiet: bool, dry_run: bool) -> None:
    if not plan.backup.sha256:
        click.echo("No sum is known of this file: that it is what was written, nobody can tell.", err=quiet)
    click.echo(f"{'Would replace' if dry_run else 'To be replaced'} by {printable(plan.backup.name)}:", err=quiet)
    for name in plan.tables:
        rows = counted(plan.contents.tables[name].rows if name in plan.contents.tables else 0, "row")
        click.echo(f"  {name}: {rows}", err=quiet)
    for sentence in accounts_planned(plan):
        click.echo(sentence, err=quiet)
    if plan.contents.foreign:
        named = printable(", ".join(plan.contents.foreign), limit=500)
        click.echo(f"Passed over, since it is not ours: {named}", err=quiet)


def settle(house: House, plan: Plan, actor: str) -> str:
    """Settle the time since the backup where it brought a past of its own; return a sentence."""
    from smart_cron.recovery import look_for_restore, settle_restored

    if not plan.brings_past:
        return "The history of runs is as it was."
    found = look_for_restore(house)
    done = settle_restored(house, found, actor=actor)
    others = f" Call 'smart-cron recover' on {', '.join(found.other_nodes)}, too." if found.other_nodes else ""
    return (
        f"Of the time since the backup, {counted(done.entered, 'run')} entered from run files; {done.lost} recorded "
        f"as lost; {counted(done.missed_slots, 'slot')} and {counted(done.missed_runs, 'waiting run')} as missed. "
        f"Nothing of that time starts any more.{others}"
    )


def _say_what_was_done(plan: Plan, done: Restored, settled: str, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "backup": document(plan.backup),
                "tables": list(plan.tables),
                "accounts": accounts_document(plan, done.changes),
                "saved": None if done.saved is None else document(done.saved),
                "migrations": list(done.migrated),
                "settled": settled,
            }
        )
    else:
        if done.saved is not None:
            click.echo(f"What was there is in {done.saved.path}.")
        for name in done.migrated:
            click.echo(f"brought forward by {name}")
        for sentence in accounts_done(done):
            click.echo(sentence)
        click.echo(f"{printable(plan.backup.name)} is in its place. {settled}")
    for sentence in done.left_out:
        complain(sentence)
