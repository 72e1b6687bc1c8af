"""`smart-cron up`: everything that one machine needs, in the foreground."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import click

from smart_cron.core.errors import SmartCronError
from smart_cron.faces.cli.first_process import leave_first_place
from smart_cron.faces.cli.options import listening_options
from smart_cron.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from smart_cron.config import Config


@click.command()
@listening_options
@pass_session
def up(session: Session, /, *, host: str | None, port: int | None, behind_proxy: bool) -> None:
    """Run scheduler and dashboard together, until SIGTERM or Ctrl-C.

    A home that is not there is prepared, as 'smart-cron init' does. Where nobody may log in yet, a link is printed that
    makes the first admin. Running tasks go on when it ends; the next start records them.
    """
    leave_first_place()
    from smart_cron.faces.cli.companion import Companion
    from smart_cron.faces.cli.serving import open_place, place_of, serve_until_signal

    config = session.config()
    place = place_of(config, host=host, port=port, behind_proxy=behind_proxy)
    # Before anything is made or started: a port that is taken is the fault that a second start meets.
    opened = open_place(place)
    _prepare(config)
    _require_no_master(config)
    master = Companion("master")
    serve_until_signal(config, place, opened, on_ready=master.start, on_signal=master.end, finish=master.wait_for_end)


def _prepare(config: Config) -> None:
    """Make a home that is not there. In a process of its own: Django is set up once, and here it is to serve pages."""
    from smart_cron.home import make_database_file, require_closed_to_others, require_home, require_owner

    if not (config.state_dir.is_dir() and config.file.exists()):
        done = subprocess.run([sys.executable, "-m", "smart_cron", "init"], stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise click.exceptions.Exit(done.returncode)
    require_home(config)
    require_owner(config)
    require_closed_to_others(config)
    make_database_file(config)


def _require_no_master(config: Config) -> None:
    from smart_cron.wiring import is_locked, open_lock

    descriptor = open_lock(config.state_dir / "master.lock")
    try:
        if not is_locked(descriptor):
            raise SmartCronError(
                f"a master works for node '{config.node_name}' already.",
                remedy="'smart-cron dashboard' serves the pages beside it.",
            )
    finally:
        os.close(descriptor)
