"""`smart-cron explain`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

import click

from smart_cron.faces.cli.documents import instant, print_json
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.text import instant_in_full, span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from smart_cron.core.schedule import Schedule

REMARKS_REACH = timedelta(days=366)


@click.command()
@click.argument("expression", metavar="EXPR")
@click.option("--zone", "zone_name", help="Time zone [default: the configured one].")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many slots.")
@json_option
@pass_session
def explain(session: Session, /, *, expression: str, zone_name: str | None, count: int, as_json: bool) -> None:
    """Say in words when a schedule fires, the next times, and what clock changes do to it.

    EXPR is one argument, so quote it: smart-cron explain '*/5 8-18 * * mon-fri'
    """
    from smart_cron.core.schedule import Schedule
    from smart_cron.core.words import describe, remarks
    from smart_cron.core.zones import zone

    schedule = Schedule.parse(expression)
    place = zone(zone_name or session.config().time_zone)
    now = datetime.now(UTC)
    slots = list(islice(_slots(schedule, now, place), count))
    words, said = describe(expression), remarks(expression, place, now, now + REMARKS_REACH)
    if as_json:
        document = {"schedule_pattern": schedule.pattern, "time_zone": place.key, "in_words": words}
        print_json({**document, "next": [instant(slot) for slot in slots], "remarks": said})
        return
    click.echo(f"{words} ({place.key}).")
    for slot in slots:
        click.echo(f"  {instant_in_full(slot, zone=place)}  in {span((slot - now).total_seconds())}")
    for sentence in said:
        click.echo(f"Clock change: {sentence}.")


def _slots(schedule: Schedule, now: datetime, place: ZoneInfo) -> Iterator[datetime]:
    slot = now
    while not schedule.is_reboot:
        slot = schedule.next_after(slot, place)
        yield slot
