"""`smart-cron service install`: units where systemd is, lines in the service user's crontab elsewhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from smart_cron.core.errors import SmartCronError
from smart_cron.faces.cli.errors import DEBUG, note
from smart_cron.faces.cli.options import dry_run_option
from smart_cron.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smart_cron.config import Config
    from smart_cron.services.autostart import Startup

# The home stands in what is installed; the other is for a person who looks for a fault.
HANDED_ON = ("SMART_CRON_HOME", DEBUG)
SYSTEMD, CRONTAB = "systemd", "crontab"


@click.command()
@click.option("--systemd", "way", flag_value=SYSTEMD, default=None, help="Write two systemd units; root only.")
@click.option("--crontab", "way", flag_value=CRONTAB, help="Write lines into the service user's crontab.")
@click.option("--user", metavar="NAME", help="The service user; it has to be the owner of the state directory.")
@dry_run_option
@pass_session
def install(session: Session, /, *, way: str | None, user: str | None, dry_run: bool) -> None:
    """Have systemd, or else cron, start Smart Cron from now on.

    Without --systemd or --crontab, systemd does where it is this machine's first process. A second call changes
    nothing. --dry-run prints what would be written.
    """
    from smart_cron.installation import startup
    from smart_cron.services.autostart import systemd_is_at_work

    config = session.config()
    found = startup(config, user=user)
    if (way or (SYSTEMD if systemd_is_at_work() else CRONTAB)) == SYSTEMD:
        _install_units(found, dry_run=dry_run)
    else:
        _install_lines(found, dry_run=dry_run)
    if not dry_run:
        _warn_of_a_closed_program(found)
    _name_what_stays_here(config, os.environ)


def _warn_of_a_closed_program(found: Startup) -> None:
    from smart_cron.installation import refusal_of

    refusal = refusal_of(found.program, found.user)
    if refusal is not None:
        note(
            f"Nothing will start yet: {found.user} cannot run {found.program[0]} ({refusal}). "
            "Install Smart Cron where every user can read it and its Python, then call this again with that one."
        )


def _install_units(found: Startup, *, dry_run: bool) -> None:
    from smart_cron.services.autostart import changed_units, unit_texts, write_unit

    texts = unit_texts(found)
    changed = changed_units(texts)
    if dry_run:
        for path in changed:
            click.echo(f"would write {path}:\n{texts[path.name]}")
        click.echo("Nothing was done." if changed else "The units are installed already.")
        return
    if os.geteuid() != 0:
        raise SmartCronError(
            "only root can install systemd units.", remedy="Call it with sudo, or with --crontab for lines of your own."
        )
    replaced = any(path.exists() for path in changed)
    for path in changed:
        write_unit(path, texts[path.name])
        click.echo(f"wrote {path}")
    _put_to_work(changed=bool(changed), replaced=replaced)


def _put_to_work(*, changed: bool, replaced: bool) -> None:
    from smart_cron.services.autostart import UNITS, systemctl, systemd_is_at_work

    if not systemd_is_at_work():
        click.echo("systemd is not this machine's first process. Where it is, the next steps are:")
        click.echo(f"  systemctl daemon-reload\n  systemctl enable --now {' '.join(UNITS)}")
        return
    if changed:
        systemctl("daemon-reload")
    systemctl("enable", "--now", *UNITS)
    click.echo(
        "The units are enabled and started." if changed else "The units were installed already; they are at work."
    )
    if replaced:
        click.echo(f"What was at work before goes on as it was until: systemctl restart {' '.join(UNITS)}")


def _install_lines(found: Startup, *, dry_run: bool) -> None:
    from smart_cron.faces.cli.main import COMMANDS
    from smart_cron.services.autostart import (
        NO_CRONTAB,
        crontab_block,
        read_crontab_of,
        replace_crontab_of,
        with_block,
    )

    block = crontab_block(found, commands=COMMANDS)
    crontab = read_crontab_of(found.user)
    if crontab is NO_CRONTAB:
        click.echo(block, nl=False)
        raise SmartCronError(
            "this machine has no 'crontab' command, so nothing was installed.",
            remedy=f"Have the lines above run as {found.user} by whatever runs commands every minute here.",
        )
    wanted = with_block(crontab, block)
    if wanted == crontab:
        click.echo(f"The lines are in the crontab of {found.user} already.")
    elif dry_run:
        click.echo(f"would write into the crontab of {found.user}:")
        click.echo(block, nl=False)
        click.echo("Nothing was done.")
    else:
        replace_crontab_of(found.user, wanted)
        click.echo(f"wrote into the crontab of {found.user}:")
        click.echo(block, nl=False)


def _name_what_stays_here(config: Config, environ: Mapping[str, str]) -> None:
    """Say which settings of this shell neither units nor cron will know. Names only: one may be a password."""
    ours = sorted(name for name in environ if name.startswith("SMART_CRON_") and name not in HANDED_ON)
    if ours:
        note(f"Set in this shell only, and unknown to what was installed: {', '.join(ours)}. Set it in {config.file}.")
