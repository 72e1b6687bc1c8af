"""`task enable`, `task disable` and `task remove`: several tasks in one transaction, all or none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from smart_cron.core.run import HELD_STATUSES
from smart_cron.faces.cli.options import dry_run_option
from smart_cron.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from smart_cron.core.task import Task
    from smart_cron.wiring import House

names_argument = click.argument("names", nargs=-1, required=True, metavar="NAME...")


@click.command()
@names_argument
@dry_run_option
@pass_session
def enable(session: Session, /, *, names: tuple[str, ...], dry_run: bool) -> None:
    """Let a task's slots run."""
    _switch(session, names, on=True, dry_run=dry_run)


@click.command()
@names_argument
@dry_run_option
@pass_session
def disable(session: Session, /, *, names: tuple[str, ...], dry_run: bool) -> None:
    """Let no slot of a task run.

    A run that goes on now goes on to its end, and retries of a failed slot are still made.
    """
    _switch(session, names, on=False, dry_run=dry_run)


def _switch(session: Session, names: tuple[str, ...], *, on: bool, dry_run: bool) -> None:
    word, said = "enabled" if on else "disabled", []
    with session.house() as house, house.store.database.transaction():
        for task in [house.store.tasks.get(name) for name in names]:
            if task.definition.enabled == on:
                said.append(f"Task '{task.name}' is {word} already.")
                continue
            if not dry_run:
                house.store.tasks.set_enabled(task.id, on, actor=session.actor)
            said.append(f"Task '{task.name}' {'would be' if dry_run else 'is'} {word}.")
    # Only once the transaction stands: nothing is told that may yet be undone.
    click.echo("\n".join(said))


@click.command()
@names_argument
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@dry_run_option
@pass_session
def remove(session: Session, /, *, names: tuple[str, ...], yes: bool, dry_run: bool) -> None:
    """Delete tasks; their history stays.

    A run that goes on now goes on to its end. At a terminal it asks first.
    """
    with session.house() as house:
        tasks = [house.store.tasks.get(name) for name in names]
        listed = ", ".join(f"'{task.name}'" for task in tasks)
        if dry_run:
            click.echo(f"Would remove {listed}.")
            return
        if not yes and sys.stdin.isatty():
            click.confirm(f"Remove {listed}?", abort=True)
        with house.store.database.transaction():
            going = [number for task in tasks for number in _going_on(house, task)]
            for task in tasks:
                house.store.tasks.remove(task.id, actor=session.actor, now=house.clock.now())
    click.echo(f"Removed {listed}; the history stays.")
    for number in going:
        click.echo(f"Run {number} goes on to its end; 'smart-cron run kill {number}' ends it.")


def _going_on(house: House, task: Task) -> list[int]:
    return [row["id"] for row in house.store.history.runs(task_id=task.id, statuses=list(HELD_STATUSES))]
