"""`smart-cron service uninstall`: units with our mark, and the lines between our marks in the crontab."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from smart_cron.core.errors import SmartCronError
from smart_cron.faces.cli.options import dry_run_option
from smart_cron.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@click.command()
@click.option("--user", metavar="NAME", help="Whose crontab to clean; else that of the state directory's owner.")
@dry_run_option
@pass_session
def uninstall(session: Session, /, *, user: str | None, dry_run: bool) -> None:
    """Take away what 'service install' wrote, and nothing else.

    Unit files without our mark stay, and so do all lines of a crontab that are not between ours. Running tasks go on
    to their end; settings, tasks and history stay.
    """
    from smart_cron.installation import service_user
    from smart_cron.services.autostart import installed_units

    units = installed_units()
    _require_root_for(units, dry_run=dry_run)
    lines = _remove_lines(user or service_user(session.config()), dry_run=dry_run)
    _remove_units(units, dry_run=dry_run)
    if dry_run and (units or lines):
        click.echo("Nothing was done.")
    elif not units and not lines:
        click.echo("Nothing of 'service install' is here.")


def _require_root_for(units: Sequence[Path], *, dry_run: bool) -> None:
    if units and os.geteuid() != 0 and not dry_run:
        raise SmartCronError("only root can remove systemd units.", remedy="Call it with sudo.")


def _remove_units(units: Sequence[Path], *, dry_run: bool) -> None:
    from smart_cron.services.autostart import remove_unit, systemctl, systemd_is_at_work

    if units and not dry_run and systemd_is_at_work():
        systemctl("disable", "--now", *(path.name for path in units))
    for path in units:
        if not dry_run:
            remove_unit(path)
        click.echo(f"{'would remove' if dry_run else 'removed'} {path}")
    if units and not dry_run and systemd_is_at_work():
        systemctl("daemon-reload")


def _remove_lines(user: str, *, dry_run: bool) -> bool:
    """Take our lines out of the user's crontab; say whether there were any."""
    from smart_cron.services.autostart import read_crontab_of, replace_crontab_of, without_block

    crontab = read_crontab_of(user) or b""
    rest = without_block(crontab)
    if rest == crontab:
        return False
    if not dry_run:
        replace_crontab_of(user, rest)
    click.echo(f"{'would take' if dry_run else 'took'} Smart Cron's lines out of the crontab of {user}")
    return True
