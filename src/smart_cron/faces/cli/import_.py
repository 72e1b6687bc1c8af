"""`smart-cron import`."""

from __future__ import annotations

import click

from smart_cron.faces.cli.lazy import LazyGroup

COMMANDS = {"crontab": ("import_crontab:import_crontab", "Turn the lines of crontabs into tasks.")}


@click.group("import", cls=LazyGroup, lazy=COMMANDS)
def import_() -> None:
    """Take tasks over from cron."""
