"""`run kill` and `run retry`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from smart_cron.core.errors import SmartCronError, TaskGoneError, UnknownTaskError
from smart_cron.core.run import HELD_STATUSES, ErrorType, Status
from smart_cron.faces.cli.options import dry_run_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.task_run import NO_MASTER, require_can_wait, see_through

if TYPE_CHECKING:
    from smart_cron.wiring import House


@click.command()
@click.argument("numbers", nargs=-1, required=True, metavar="RUN...")
@dry_run_option
@pass_session
def kill(session: Session, /, *, numbers: tuple[str, ...], dry_run: bool) -> None:
    """End runs with all their processes.

    SIGTERM first and, after the task's grace, SIGKILL. A run that has not started yet will not start.
    """
    with session.house() as house:
        rows = [house.store.history.run(number) for number in numbers]
        over = [str(row["id"]) for row in rows if Status(row["status"]).is_final]
        if over:
            raise SmartCronError(f"run {', '.join(over)} is over already; nothing was ended.")
        for row in rows:
            click.echo(
                f"Run {row['id']} of '{row['task_name']}' would be ended." if dry_run else _end(session, house, row)
            )


def _end(session: Session, house: House, row: Mapping[str, Any]) -> str:
    asked = house.store.history.request_cancel(
        row["id"], reason=ErrorType.CANCELLED, actor=session.actor, now=house.clock.now()
    )
    if not asked:
        return f"Run {row['id']} ended by itself meanwhile."
    if row["status"] not in HELD_STATUSES:
        return f"Run {row['id']} of '{row['task_name']}' will not start."
    here = row["node"] == house.config.node_name
    hint = f" {NO_MASTER}" if here and not house.master_is_running() else ""
    return f"Run {row['id']} of '{row['task_name']}' is being ended.{hint}"


@click.command()
@click.argument("number", metavar="RUN")
@click.option("--wait", is_flag=True, help="Stream the output and exit with the task's code.")
@dry_run_option
@pass_session
def retry(session: Session, /, *, number: str, wait: bool, dry_run: bool) -> int:
    """Run a run's task again, with the same arguments.

    It is a new run by hand; the old one stays as it is.
    """
    with session.house() as house:
        row = house.store.history.run(number)
        try:
            task = house.store.tasks.get(int(row["task_id"]))
        except UnknownTaskError:
            raise TaskGoneError(row["task_name"], row["id"]) from None
        if dry_run:
            click.echo(f"Would run '{task.name}' again, as in run {row['id']}.")
            return 0
        require_can_wait(house, wait=wait)
        execution_id = house.store.tasks.request_run(
            task.id, arguments=None, actor=session.actor, now=house.clock.now(), retry_of=row["id"]
        )
        return see_through(house, task.name, execution_id, wait=wait)
