"""`smart-cron task held`: slots that were missed and wait for a person, where `on_missed` is `hold`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

import click

from smart_cron.core.errors import SmartCronError
from smart_cron.core.held import HeldRange
from smart_cron.faces.cli.documents import instant, print_json
from smart_cron.faces.cli.instants import read_moment
from smart_cron.faces.cli.lazy import LazyGroup
from smart_cron.faces.cli.options import dry_run_option, json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.tables import Column, show_table
from smart_cron.faces.cli.task_run import NO_MASTER
from smart_cron.faces.cli.text import instant_in_full

if TYPE_CHECKING:
    from smart_cron.core.task import Task
    from smart_cron.wiring import House

COMMANDS = {
    "list": ("task_held:list_held", "List slots that wait for a person."),
    "run": ("task_held:run_held", "Run held slots now."),
    "drop": ("task_held:drop_held", "Let held slots be skipped for good."),
}
COLUMNS = (
    Column(title="Task", gives_way=True),
    Column(title="First slot"),
    Column(title="Last slot"),
    Column(title="Slots", right=True),
    Column(title="Reason", gives_way=True),
)
# More executions than anybody wants from one call; `--slot` takes some of them.
MOST_SLOTS = 10_000


@click.group(cls=LazyGroup, lazy=COMMANDS)
def held() -> None:
    """Look at slots that were missed and wait for a person, and decide on them."""


@click.command("list")
@click.argument("name", required=False)
@json_option
@pass_session
def list_held(session: Session, /, *, name: str | None, as_json: bool) -> None:
    """List slots that wait for a person, of one task or of all. Times are in the configured time zone."""
    from smart_cron.core.zones import zone

    with session.house() as house:
        task = house.store.tasks.get(name) if name else None
        found = house.store.held.held(task.id if task else None)
        place = zone(house.config.time_zone)
    if as_json:
        print_json([_document(each) for each in found])
        return
    show_table(COLUMNS, [_row(each, place) for each in found], empty="No slot waits for a person.")


def _row(found: HeldRange, place: tzinfo) -> list[str]:
    gap = found.range
    first, last = instant_in_full(gap.first, zone=place), instant_in_full(gap.last, zone=place)
    return [gap.task, first, last, str(gap.count), gap.reason]


def _document(found: HeldRange) -> dict[str, object]:
    gap = found.range
    return {
        "task": gap.task,
        "first_slot": instant(gap.first),
        "last_slot": instant(gap.last),
        "count": gap.count,
        "reason": gap.reason,
    }


slot_option = click.option("--slot", "at", multiple=True, metavar="TIME", help="This slot; may be given several times.")
newest_option = click.option("--newest", is_flag=True, help="The newest one.")
all_option = click.option("--all", "every", is_flag=True, help="All of them.")


@click.command("run")
@click.argument("name")
@slot_option
@newest_option
@all_option
@dry_run_option
@pass_session
def run_held(session: Session, /, *, name: str, at: Sequence[str], newest: bool, every: bool, dry_run: bool) -> None:
    """Run held slots now, oldest first; those that are not named wait on."""
    with session.house() as house:
        task, slots = _chosen(house, name, at, newest=newest, every=every)
        if dry_run:
            click.echo(f"Would run {_slots(len(slots))} of '{task.name}'.")
            return
        count = house.store.held.run(task.id, slots, actor=session.actor, now=house.clock.now())
        hint = "" if house.master_is_running() else f" {NO_MASTER}"
    click.echo(f"{_slots(count)} of '{task.name}' will run.{hint}")


@click.command("drop")
@click.argument("name")
@slot_option
@newest_option
@all_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@dry_run_option
@pass_session
def drop_held(
    session: Session, /, *, name: str, at: Sequence[str], newest: bool, every: bool, yes: bool, dry_run: bool
) -> None:
    """Let held slots be skipped for good; the ledger says by whom."""
    with session.house() as house:
        task, slots = _chosen(house, name, at, newest=newest, every=every)
        if dry_run:
            click.echo(f"Would drop {_slots(len(slots))} of '{task.name}'.")
            return
        if not yes and sys.stdin.isatty():
            click.confirm(f"Drop {_slots(len(slots))} of '{task.name}'?", abort=True)
        count = house.store.held.drop(task.id, slots, actor=session.actor, now=house.clock.now())
    click.echo(f"{_slots(count)} of '{task.name}' will not run.")


def _slots(count: int) -> str:
    return "1 slot" if count == 1 else f"{count} slots"


def _chosen(
    house: House, name: str, at: Sequence[str], *, newest: bool, every: bool
) -> tuple[Task, frozenset[datetime]]:
    if sum((bool(at), newest, every)) != 1:
        raise click.UsageError("Say which slots: --slot TIME, --newest or --all.")
    task = house.store.tasks.get(name)
    found = house.store.held.held(task.id)
    if not found:
        raise SmartCronError(f"no slot of '{task.name}' waits for a person.", remedy="There is nothing to decide.")
    if newest:
        return task, frozenset({max(each.range.last for each in found)})
    if every and sum(each.range.count for each in found) > MOST_SLOTS:
        raise SmartCronError(f"more than {MOST_SLOTS} slots wait.", remedy="Run some of them with --slot.")
    slots = house.store.held.slots(task.id)
    return task, frozenset(slots) if every else _named(house, task, at, slots)


def _named(house: House, task: Task, at: Sequence[str], slots: Sequence[datetime]) -> frozenset[datetime]:
    from smart_cron.core.zones import zone

    wanted: set[datetime] = set()
    for text in at:
        moment = read_moment(text, option="--slot", now=house.clock.now(), place=zone(house.config.time_zone))
        meant = {slot for slot in slots if moment.at <= slot < moment.at + moment.width}
        if not meant:
            raise SmartCronError(
                f"{moment.at:%Y-%m-%d %H:%M:%S} UTC is no held slot of '{task.name}'.",
                remedy=f"'smart-cron task held list {task.name}' shows which there are.",
            )
        wanted |= meant
    return frozenset(wanted)
