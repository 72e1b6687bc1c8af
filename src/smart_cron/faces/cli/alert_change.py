"""`alert ack`, `alert resolve` and `alert snooze`: what a person does about alerts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from smart_cron.core.alert import Alert
from smart_cron.faces.cli.instants import read_moment
from smart_cron.faces.cli.options import Span, dry_run_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.text import instant_in_full, printable

if TYPE_CHECKING:
    from smart_cron.wiring import House

numbers_argument = click.argument("numbers", metavar="ALERT...", nargs=-1, required=True, type=click.IntRange(1))
note_option = click.option("--note", metavar="TEXT", help="Why, for the others; replaces an older note.")


@click.command()
@numbers_argument
@note_option
@dry_run_option
@pass_session
def ack(session: Session, /, *, numbers: Sequence[int], note: str | None, dry_run: bool) -> None:
    """Note that somebody has seen it: no more reminders come.

    Its end is told all the same. Where it gets graver, that is told, too.
    """
    with session.house() as house:

        def change(of: Alert) -> bool:
            return house.store.alerts.acknowledge(of.id, user_id=None, actor=session.actor, note=note)

        _each(house, numbers, change, would="acknowledge", done="is acknowledged", dry_run=dry_run)


@click.command()
@numbers_argument
@note_option
@dry_run_option
@pass_session
def resolve(session: Session, /, *, numbers: Sequence[int], note: str | None, dry_run: bool) -> None:
    """Note that it is mended. Where it is not, the next time opens a new alert."""
    with session.house() as house:

        def change(of: Alert) -> bool:
            return house.store.alerts.resolve(of.id, actor=session.actor, note=note)

        _each(house, numbers, change, would="resolve", done="is resolved", dry_run=dry_run)


@click.command()
@numbers_argument
@click.option("--until", metavar="WHEN", help="Until then, such as '2026-11-30 08:00' or +7d.")
@click.option("--for", "length", type=Span(), metavar="TIME", help="For so long: 2h, 1d.")
@click.option("--wake", is_flag=True, help="End the silence now.")
@note_option
@dry_run_option
@pass_session
def snooze(
    session: Session,
    /,
    *,
    numbers: Sequence[int],
    until: str | None,
    length: timedelta | None,
    wake: bool,
    note: str | None,
    dry_run: bool,
) -> None:
    """Say nothing of it until a time; what is still open then is told as new."""
    from smart_cron.core.zones import zone

    if sum((until is not None, length is not None, wake)) != 1:
        raise click.UsageError("Say how long: --until WHEN, --for TIME or --wake.")
    with session.house() as house:
        end = None if wake else _end_of_silence(house, until, length)
        when = "" if end is None else f" until {instant_in_full(end, zone=zone(house.config.time_zone))}"

        def change(of: Alert) -> bool:
            return house.store.alerts.snooze(of.id, until=end, actor=session.actor, note=note)

        would, done = ("wake", "is awake") if wake else ("snooze", f"is silent{when}")
        _each(house, numbers, change, would=would, done=done, dry_run=dry_run, when=when)


def _end_of_silence(house: House, until: str | None, length: timedelta | None) -> datetime:
    from smart_cron.core.zones import zone

    now = house.clock.now()
    if until is not None:
        moment = read_moment(until, option="--until", now=now, place=zone(house.config.time_zone))
        if moment.remark:
            click.echo(moment.remark, err=True)
        end = moment.at
    else:
        end = _later(now, length or timedelta())
    if end <= now:
        raise click.UsageError("the silence would be over already; name a time to come.")
    return end


def _later(now: datetime, length: timedelta) -> datetime:
    try:
        return now + length
    except OverflowError:
        raise click.UsageError("--for: no calendar goes that far; 'alert ack' ends the reminders for good.") from None


def _each(
    house: House,
    numbers: Sequence[int],
    change: Callable[[Alert], bool],
    *,
    would: str,
    done: str,
    dry_run: bool,
    when: str = "",
) -> None:
    """Change each alert and say so. All are looked up first: with one wrong number nothing is changed."""
    found = [house.store.alerts.get(number) for number in dict.fromkeys(numbers)]
    for each in found:
        name = f"{each.id} ({each.cause.alert_type}{_of(each)})"
        if dry_run:
            untouched = "" if not each.resolved else ", which is resolved already"
            click.echo(f"Would {would} alert {name}{untouched or when}.")
        elif change(each):
            click.echo(f"Alert {name} {done}.")
        else:
            state = "resolved" if house.store.alerts.get(each.id).resolved else "acknowledged"
            click.echo(f"Alert {name} was {state} already.")


def _of(alert: Alert) -> str:
    what = alert.task_name or alert.cause.subtype
    return f" of {printable(what)}" if what else ""
