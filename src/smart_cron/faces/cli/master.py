"""`smart-cron master`: the scheduler itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from smart_cron.core.errors import DatabaseError, DatabaseUnavailableError, SmartCronError
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.errors import note
from smart_cron.faces.cli.first_process import leave_first_place
from smart_cron.faces.cli.options import dry_run_option, json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.text import counted

if TYPE_CHECKING:
    from smart_cron.wiring import House

# 'is a master running?' takes the same lock for a moment: a start must not fail for such a question.
LOCK_PATIENCE_SECONDS = 1.0


@click.command()
@click.option("--once", is_flag=True, help="Make one pass and end, for a line in a crontab.")
@dry_run_option
@json_option
@pass_session
def master(session: Session, /, *, once: bool, dry_run: bool, as_json: bool) -> None:
    """Plan, start and record what is due, until SIGTERM or Ctrl-C.

    Running tasks go on when the master ends; the next one records them. SIGHUP rereads the settings. --json prints
    what a pass of --once did; without it, and not at a terminal, a pass says nothing.
    """
    leave_first_place()
    # A master waits for a database that is away; a pass, and whoever asks, are told.
    with _loss_told(session, told=once and not dry_run), session.house(check_schema=once or dry_run) as house:
        if dry_run:
            _preview(house)
        elif _works(house, once=once, as_json=as_json):
            return
        elif once:
            house.log.info("Pass left to the master that works for this node")
            note("Another master works for this node; this pass is left to it.")
        else:
            raise SmartCronError(
                f"a master works for node '{house.config.node_name}' already.", remedy="One is enough for a node."
            )


def _works(house: House, *, once: bool, as_json: bool) -> bool:
    """Work where the node is free, and say whether it was."""
    patience_ends = time.monotonic() + (0 if once else LOCK_PATIENCE_SECONDS)
    while True:
        with house.hold_node() as held:
            if held:
                _once(house, as_json=as_json) if once else _forever(house)
                return True
        if time.monotonic() >= patience_ends:
            return False
        time.sleep(0.1)


def _once(house: House, *, as_json: bool) -> None:
    report = house.master().once()
    _tell_return(house)
    _tell(house)
    figures = {name: getattr(report, name) for name in ("planned", "started", "finished", "failed")}
    if as_json:
        print_json(figures)
    elif sys.stdout.isatty():
        click.echo(
            f"{counted(report.planned, 'run')} planned, {report.started} started, "
            f"{report.finished} ended well, {report.failed} did not."
        )


def _tell(house: House) -> None:
    """People are told of what the pass saw; what cannot be sent within some seconds is for the next one."""
    from smart_cron.wiring.caretaking import do_chores_once
    from smart_cron.wiring.courier import deliver_once

    do_chores_once(house)
    try:
        deliver_once(house)
    except DatabaseUnavailableError as error:
        _tell_loss(house, str(error))
    except DatabaseError as error:
        house.log.error("People could not be told", reason=str(error))
    house.log.flush()


@contextmanager
def _loss_told(session: Session, *, told: bool) -> Iterator[None]:
    """A pass that finds no database tells people, too, unless a master works for this node, which does."""
    try:
        yield
    except DatabaseUnavailableError as error:
        if told:
            from smart_cron.home import owns

            with session.house(check_schema=False) as house, house.hold_node() as held:
                # In another user's home root writes nothing: that user's links would lead it anywhere.
                if held and owns(house.config):
                    _tell_loss(house, str(error))
        raise


def _tell_loss(house: House, reason: str) -> None:
    from smart_cron.wiring.courier import tell_of_loss

    if _mark_of_loss(house).exists():
        house.log.warning("Pass found no database", reason=reason)
    else:
        house.log.critical("Failed to connect to database", reason=reason)
        with suppress(OSError):  # Another pass was first, or the disk takes nothing.
            _mark_of_loss(house).touch(mode=0o640, exist_ok=False)
    tell_of_loss(house, reason)


def _tell_return(house: House) -> None:
    if _mark_of_loss(house).exists():
        house.log.warning("Database is back")
        _mark_of_loss(house).unlink(missing_ok=True)


def _mark_of_loss(house: House) -> Path:
    """Return the file that stands while passes find no database: each is a process of its own, an outage is one."""
    return house.config.state_dir / "database-lost"


def _forever(house: House) -> None:
    if sys.stderr.isatty():
        note(
            f"The master works for node '{house.config.node_name}'; its log is in {house.config.log_dir}. "
            "Ctrl-C ends it, running tasks go on."
        )
    from smart_cron.wiring.caretaking import cared_for

    house.store.session.tell_waiting(None)  # Its log tells.

    with cared_for(house) as caretaker:
        house.master(bell=caretaker.bell, adopt=caretaker.adopt).run(on_wait=note)


def _preview(house: House) -> None:
    now = house.clock.now()
    tasks = house.store.tasks.due(now=now, limit=house.config.max_concurrent)
    for task in tasks:
        click.echo(f"would start '{task.name}', due since {task.next_run_at:%Y-%m-%d %H:%M:%S} UTC")
    click.echo(f"{counted(len(tasks), 'task')} due now; nothing was started.")
