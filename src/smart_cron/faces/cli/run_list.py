"""`run list`."""

from __future__ import annotations

import click

from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.run_rows import before_option, limit_option, show_runs, status_option, statuses_of
from smart_cron.faces.cli.session import Session, pass_session


@click.command("list")
@click.option("--task", "name", help="Only runs of this task.")
@status_option
@limit_option
@before_option
@json_option
@pass_session
def list_runs(
    session: Session, /, *, name: str | None, statuses: tuple[str, ...], limit: int, before: int | None, as_json: bool
) -> None:
    """List runs of all tasks, newest first.

    Page on with --before and the last number shown.
    """
    from smart_cron.core.zones import zone

    with session.house() as house:
        task_id = house.store.tasks.get(name).id if name else None
        rows = house.store.history.runs(task_id=task_id, statuses=statuses_of(statuses), before_id=before, limit=limit)
        now, place = house.clock.now(), zone(house.config.time_zone)
    if as_json:
        print_json(rows)
        return
    show_runs(rows, now=now, zone=place, with_task=True, empty="There is no such run.")
