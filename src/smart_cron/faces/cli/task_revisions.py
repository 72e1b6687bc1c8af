"""`task diff`, `task rollback` and `task history --definition`: what a task's definition was."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from smart_cron.core.errors import SmartCronError
from smart_cron.core.revision import Revision, Values, differing
from smart_cron.core.revision_words import shown, shown_pair
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.options import dry_run_option, json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.tables import Column, show_table
from smart_cron.faces.cli.task_check import require_sound
from smart_cron.faces.cli.text import instant_in_full, printable

if TYPE_CHECKING:
    from smart_cron.core.task import Task, TaskDefinition
    from smart_cron.wiring import House

COLUMNS = (
    Column(title="Revision", right=True),
    Column(title="Saved"),
    Column(title="By"),
    Column(title="From"),
    Column(title="Changed", gives_way=True),
)
COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def show_revisions(session: Session, name: str, *, before: int | None, limit: int, as_json: bool) -> None:
    """Print a task's revisions, newest first, with the names of the columns that each changed."""
    from smart_cron.core.zones import zone

    with session.house() as house:
        task = house.store.tasks.get(name)
        # One more, to tell what the oldest of them changed.
        found = house.store.revisions.revisions(task.id, before=before, limit=limit + 1)
        place = zone(house.config.time_zone)
    pairs = [(each, found[place_of + 1] if place_of + 1 < len(found) else None) for place_of, each in enumerate(found)]
    page = pairs[:limit]
    if as_json:
        print_json([_document(each, older) for each, older in page])
        return
    rows = [
        [
            str(each.number),
            instant_in_full(each.saved_at, zone=place),
            each.actor,
            each.source or "–",
            ", ".join(differing(older.values, each.values)) if older else "first",
        ]
        for each, older in page
    ]
    show_table(COLUMNS, rows, empty=f"No definition of '{task.name}' was kept yet; a running master enters it.")


def _document(revision: Revision, older: Revision | None) -> Mapping[str, Any]:
    return {
        "revision": revision.number,
        "task_name": revision.task_name,
        "saved_at": revision.saved_at,
        "actor": revision.actor,
        "source": revision.source,
        "changed": differing(older.values, revision.values) if older else None,
        "definition": {name: shown(name, value) for name, value in revision.values.items()},
    }


@click.command()
@click.argument("name")
@click.argument("first", type=click.IntRange(1), required=False, metavar="[REVISION]")
@click.argument("second", type=click.IntRange(1), required=False, metavar="[REVISION]")
@json_option
@pass_session
def diff(session: Session, /, *, name: str, first: int | None, second: int | None, as_json: bool) -> None:
    """Show what differs between two saved definitions of a task.

    With one number, between that and the last; without, what the last change changed. Secrets are hidden: that they
    differ is told, not what they are.
    """
    with session.house() as house:
        task = house.store.tasks.get(name)
        old, new = _two(house, task, first, second)
    lines = list(_lines(old, new))
    if as_json:
        names = differing(old.values, new.values)
        changed = {each: shown_pair(each, old.values, new.values) for each in names}
        print_json({"from": old.number, "to": new.number, "changed": changed})
        return
    if not lines:
        click.echo(f"Revisions {old.number} and {new.number} of '{printable(task.name)}' do not differ.")
    for line in lines:
        colour = COLOURS.get(line[:1]) if sys.stdout.isatty() else None
        click.echo(click.style(line, fg=colour) if colour else line)


def _two(house: House, task: Task, first: int | None, second: int | None) -> tuple[Revision, Revision]:
    revisions = house.store.revisions
    if first is not None and second is not None:
        return revisions.revision(task.id, first), revisions.revision(task.id, second)
    latest = revisions.revisions(task.id, limit=2)
    if first is not None and latest:
        return revisions.revision(task.id, first), latest[0]
    if len(latest) < 2:
        raise SmartCronError(
            f"task '{task.name}' has {'one definition' if latest else 'no saved definition'} so far.",
            remedy="There is nothing to compare with yet.",
        )
    return latest[1], latest[0]


def _lines(old: Revision, new: Revision) -> Iterator[str]:
    """Yield a unified diff of `column: value`, each harmless on a terminal."""
    before, after = _side(old.values, new.values, 0), _side(old.values, new.values, 1)
    titles = [f"{printable(each.task_name)} revision {each.number} ({printable(each.actor)})" for each in (old, new)]
    yield from difflib.unified_diff(before, after, titles[0], titles[1], lineterm="", n=1)


def _side(old: Values, new: Values, place: int) -> list[str]:
    own = (old, new)[place]
    return [f"{name}: {printable(shown_pair(name, old, new)[place])}" for name in new if name in own]


@click.command()
@click.argument("name")
@click.argument("number", type=click.IntRange(1), metavar="REVISION")
@dry_run_option
@pass_session
def rollback(session: Session, /, *, name: str, number: int, dry_run: bool) -> None:
    """Give a task the definition that it had before.

    That is a change like any other: it is checked as one, saved as a new revision, and the next slot follows from it.
    Runs that go on are not touched.
    """
    with session.house() as house:
        task = house.store.tasks.get(name)
        wanted = house.store.revisions.revision(task.id, number)
        definition = _definition(house, task, number)
        require_sound(house, definition)
        now = house.store.revisions.revisions(task.id, limit=1)
        lines = list(_lines(now[0], replace(wanted, task_name=task.name))) if now else []
        if not dry_run:
            house.store.tasks.replace(task.id, definition, actor=session.actor, revision=number)
    told = "would be" if dry_run else "is"
    click.echo(f"Task '{printable(task.name)}' {told} defined as in revision {number}.")
    for line in lines[2:]:
        click.echo(line)


def _definition(house: House, task: Task, number: int) -> TaskDefinition:
    definition, fault = house.store.revisions.definition(task.id, number)
    if fault is not None:
        raise SmartCronError(
            f"revision {number} of '{task.name}' cannot be used: {fault}.",
            remedy="Roll back to another one, or change the task by 'smart-cron task edit'.",
        )
    return definition
