"""`task list`."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import click

from smart_cron.core.task import Task
from smart_cron.core.task_words import in_words, next_slot, state
from smart_cron.faces.cli.documents import print_json, task_document
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.tables import Cell, Column, show_table
from smart_cron.faces.cli.text import moment, rate

EMPTY = "There are no tasks yet; 'smart-cron task add --help' says how to define one."
NO_MATCH = "No task is like that; 'smart-cron task list' without options shows them all."
NAME, WORDS = Column(title="Task", gives_way=True), Column(title="In words", gives_way=True)
COLUMNS = (
    Column(title="Schedule"),
    Column(title="State"),
    Column(title="Last"),
    Column(title="Last run"),
    Column(title="Next run"),
    Column(title="OK", right=True),
)


@click.command("list")
@click.option("--enabled/--disabled", default=None, help="Only enabled, or only disabled tasks.")
@click.option("--group", help="Only tasks of this group.")
@click.option("-v", "--verbose", is_flag=True, help="Say schedules in words, too.")
@json_option
@pass_session
def list_tasks(session: Session, /, *, enabled: bool | None, group: str | None, verbose: bool, as_json: bool) -> None:
    """List tasks with their last and next runs.

    OK is the share of executions that ended well. Times are in the configured time zone.
    """
    from smart_cron.core.zones import zone

    with session.house() as house:
        tasks = house.store.tasks.list(enabled=enabled, group=group)
        now, place = house.clock.now(), zone(house.config.time_zone)
    if as_json:
        print_json([task_document(task) for task in tasks])
        return
    columns = (NAME, WORDS, *COLUMNS) if verbose else (NAME, *COLUMNS)
    rows = [_row(task, now, place, verbose=verbose) for task in tasks]
    show_table(columns, rows, empty=EMPTY if enabled is None and group is None else NO_MATCH)


def _row(task: Task, now: datetime, place: ZoneInfo, *, verbose: bool) -> list[Cell | str]:
    cells: list[Cell | str] = [
        task.name,
        task.definition.schedule,
        state(task),
        task.last_status or "–",
        moment(task.last_run_at, now=now, zone=place),
        moment(next_slot(task, now, place), now=now, zone=place),
        rate(task.total_successes, task.total_executions),
    ]
    if verbose:
        cells.insert(1, in_words(task.definition.schedule))
    return cells
