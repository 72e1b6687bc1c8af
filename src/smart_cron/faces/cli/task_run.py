"""`task run`: a run by hand, waited for where asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from smart_cron.core.run import HELD_STATUSES, PENDING_STATUSES, UNSTARTED_STATUSES, Status
from smart_cron.faces.cli.errors import INTERRUPTED, note
from smart_cron.faces.cli.options import dry_run_option
from smart_cron.faces.cli.output import Following, output_path, print_copies
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.text import span

if TYPE_CHECKING:
    from pathlib import Path

    from smart_cron.wiring import House

NEVER_STARTED = 125
LOOK_AGAIN_SECONDS = 0.2
# Whether the master that was to see to a run still works is asked this often.
MASTER_LIVES_SECONDS = 2.0
NO_MASTER = "No master runs on this node: it happens once one does ('smart-cron master')."


@click.command("run")
@click.argument("name")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--wait", is_flag=True, help="Stream the output and exit with the task's code.")
@dry_run_option
@pass_session
def run_task(session: Session, /, *, name: str, arguments: tuple[str, ...], wait: bool, dry_run: bool) -> int:
    """Run a task now, beside its schedule.

    ARGUMENTS after -- take the place of the task's own: smart-cron task run report --wait -- --month 10

    With --wait the exit code is the task's, or 125 where it never started. Ctrl-C leaves the run going.
    """
    with session.house() as house:
        task = house.store.tasks.get(name)
        if arguments and task.definition.shell_command:
            raise click.UsageError(f"task '{task.name}' is a shell command, which takes no arguments.")
        if dry_run:
            click.echo(f"Would run '{task.name}'" + (f" with {' '.join(arguments)}." if arguments else "."))
            return 0
        require_can_wait(house, wait=wait)
        execution_id = house.store.tasks.request_run(
            task.id, arguments=arguments or None, actor=session.actor, now=house.clock.now()
        )
        return see_through(house, task.name, execution_id, wait=wait)


def require_can_wait(house: House, *, wait: bool) -> None:
    """Refuse, before anything is asked for, where nobody would start it: no master works, and we may not."""
    from smart_cron.home import require_owner

    if house.is_remote:
        return
    if wait and not house.master_is_running():
        require_owner(house.config)


def see_through(house: House, name: str, execution_id: int, *, wait: bool) -> int:
    """Say what becomes of a run by hand, or wait for its end, and return the exit code for it."""
    if not wait:
        click.echo(f"Run {execution_id} of '{name}' is asked for; 'smart-cron run logs -f {execution_id}' follows it.")
        if not house.master_is_running():
            note(NO_MASTER)
        return 0
    try:
        row = _wait_for(house, execution_id)
    except KeyboardInterrupt:
        click.echo(err=True)  # The terminal has put ^C on this line.
        note(
            f"Run {execution_id} goes on. 'smart-cron run logs -f {execution_id}' follows it, "
            f"'smart-cron run kill {execution_id}' ends it."
        )
        return INTERRUPTED
    _tell(row)
    return exit_code_of(row)


def _wait_for(house: House, execution_id: int) -> Mapping[str, Any]:
    finder = _Finder(house)
    following = Following(finder.path)
    following.start()
    while not _taken_over(house, finder, execution_id) and not _watched(finder, execution_id):
        pass
    row = finder.look(execution_id)
    following.finish()
    if not following.has_printed:
        print_copies(row)
    return row


def _taken_over(house: House, finder: _Finder, execution_id: int) -> bool:
    """See to the run where no master works, or not any more; say whether nothing is left to wait for."""
    from smart_cron.home import owns

    with house.hold_node() as held:
        if not held or (_is_elsewhere(house, finder.look(execution_id))):
            return False
        if owns(house.config):
            house.master().run_one(execution_id, on_turn=lambda: finder.is_over(execution_id))
        else:
            note(f"The master of this node has ended; the next one sees to run {execution_id}.")
        return True


def _is_elsewhere(house: House, row: Mapping[str, Any]) -> bool:
    """Whether another node holds the run, whose master this one's absence is nothing to."""
    return Status(row["status"]) in HELD_STATUSES and row["node"] != house.config.node_name


def _watched(finder: _Finder, execution_id: int) -> bool:
    """A master sees to the run: look at its row for a while, and say whether it is over."""
    ends_at = time.monotonic() + MASTER_LIVES_SECONDS
    while not finder.is_over(execution_id):
        if time.monotonic() > ends_at:
            return False
        time.sleep(LOOK_AGAIN_SECONDS)
    return True


class _Finder:
    """Keeps what the last look at the row told, for the thread that prints: it has no database of its own."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._row: Mapping[str, Any] | None = None

    def look(self, execution_id: int) -> Mapping[str, Any]:
        """Read the row."""
        self._row = row = self._house.store.history.run(str(execution_id))
        return row

    def is_over(self, execution_id: int) -> bool:
        """Read the row and say whether its run has ended."""
        return Status(self.look(execution_id)["status"]).is_final

    def path(self) -> Path | None:
        """Return the output's file as soon as it has a name."""
        return None if self._row is None else output_path(self._house.config, self._row)


def _tell(row: Mapping[str, Any]) -> None:
    """End with a line on standard error, so that standard output is the task's alone."""
    status = Status(row["status"])
    if status is Status.SUCCESS and not sys.stderr.isatty():
        return
    why = row["error_message"] or row["reason"]
    took = f" after {span(row['execution_time'])}" if row["execution_time"] is not None else ""
    note(f"Run {row['id']}: {status}{took}" + (f": {why}" if why and status is not Status.SUCCESS else "."))
    if status in PENDING_STATUSES:
        note(NO_MASTER)


def exit_code_of(row: Mapping[str, Any]) -> int:
    """Return the task's exit code; 125 where it never started, 1 where nobody knows it."""
    status = Status(row["status"])
    if status in (*PENDING_STATUSES, *UNSTARTED_STATUSES, Status.START_FAILED) or row["started_at"] is None:
        return NEVER_STARTED
    if row["exit_code"] is not None:
        return int(row["exit_code"])
    return 0 if status is Status.SUCCESS else 1
