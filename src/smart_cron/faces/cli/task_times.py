"""`task next` and `task history`: when a task runs, and when it ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import tzinfo
from itertools import islice
from typing import TYPE_CHECKING

import click

from smart_cron.core.errors import SmartCronError, UnknownTaskError
from smart_cron.core.run import SlotRange
from smart_cron.core.task import Task
from smart_cron.core.task_words import slots_to_come
from smart_cron.faces.cli.documents import instant, print_json
from smart_cron.faces.cli.errors import note
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.run_rows import before_option, limit_option, show_runs, status_option, statuses_of
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.tables import Column, show_table
from smart_cron.faces.cli.text import instant_in_full, span

if TYPE_CHECKING:
    from smart_cron.wiring import House

SLOT_COLUMNS = (Column(title="Slot"), Column(title="In"))
RANGE_COLUMNS = (
    Column(title="Outcome"),
    Column(title="First slot"),
    Column(title="Last slot"),
    Column(title="Slots", right=True),
    Column(title="Reason", gives_way=True),
)


@click.command("next")
@click.argument("name")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many slots.")
@json_option
@pass_session
def next_slots(session: Session, /, *, name: str, count: int, as_json: bool) -> None:
    """Show when a task runs next.

    The first is the task's `next_run_at`, which may have been set by hand; the others follow its pattern.
    """
    from smart_cron.core.zones import zone

    with session.house() as house:
        task = house.store.tasks.get(name)
        place = zone(task.definition.time_zone or house.config.time_zone)
        now = house.clock.now()
    if task.invalid_reason:
        raise SmartCronError(f"'{task.name}' is not planned: {task.invalid_reason}.", remedy="Mend it by 'task edit'.")
    slots = list(islice(slots_to_come(task, now, place), count))
    if as_json:
        print_json([instant(slot) for slot in slots])
        return
    rows = [[instant_in_full(slot, zone=place), span(max(0.0, (slot - now).total_seconds()))] for slot in slots]
    show_table(SLOT_COLUMNS, rows, empty=_no_slot(task))


def _no_slot(task: Task) -> str:
    if not task.definition.enabled:
        return f"Task '{task.name}' is disabled; 'smart-cron task enable {task.name}' lets it run."
    return f"Task '{task.name}' runs once after each boot, when Smart Cron starts."


@click.command()
@click.argument("name")
@limit_option
@before_option
@status_option
@click.option("--definition", "of_definition", is_flag=True, help="Show what its definition was, instead of its runs.")
@json_option
@pass_session
def history(
    session: Session,
    /,
    *,
    name: str,
    limit: int,
    before: int | None,
    statuses: tuple[str, ...],
    of_definition: bool,
    as_json: bool,
) -> None:
    """Show a task's runs, and slots that did not run.

    Newest first. Page on with --before and the last number shown. With --definition it lists the definitions that the
    task had: who saved each, when, and what it changed.
    """
    from smart_cron.core.zones import zone

    if of_definition:
        from smart_cron.faces.cli.task_revisions import show_revisions

        if statuses:
            raise click.UsageError("--definition and --status exclude each other.")
        show_revisions(session, name, before=before, limit=limit, as_json=as_json)
        return

    with session.house() as house:
        task_id, name = _task_with_history(house, name)
        runs = house.store.history.runs(task_id=task_id, statuses=statuses_of(statuses), before_id=before, limit=limit)
        gaps = house.store.history.not_run(task_id=task_id, limit=limit) if before is None and not statuses else []
        now, place = house.clock.now(), zone(house.config.time_zone)
    if as_json:
        print_json({"runs": runs, "not_run": [asdict(gap) for gap in gaps]})
        return
    show_runs(runs, now=now, zone=place, with_task=False, empty=f"Task '{name}' has no such run yet.")
    if gaps:
        click.echo("\nSlots that did not run:")
        show_table(RANGE_COLUMNS, _gap_rows(gaps, place), empty="")


def _task_with_history(house: House, name: str) -> tuple[int, str]:
    """Return number and name of a task, or of the last one of that name that was removed: its history stays."""
    try:
        task = house.store.tasks.get(name)
    except UnknownTaskError:
        removed = [task.task_id for task in house.store.ledger.tasks() if task.name == name]
        if not removed:
            raise
        note(f"Task '{name}' was removed; this is its history.")
        return max(removed), name
    return task.id, task.name


def _gap_rows(gaps: Sequence[SlotRange], place: tzinfo) -> list[list[str]]:
    return [
        [
            str(gap.outcome),
            f"{gap.first.astimezone(place):%Y-%m-%d %H:%M}",
            f"{gap.last.astimezone(place):%Y-%m-%d %H:%M}",
            str(gap.count),
            gap.reason,
        ]
        for gap in gaps
    ]
