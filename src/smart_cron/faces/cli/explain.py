"""`smart-cron explain`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from smart_cron.faces.cli.documents import instant, print_json
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.text import instant_in_full, span


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
    from smart_cron.core.forecast import forecast
    from smart_cron.core.zones import zone

    place = zone(zone_name or session.config().time_zone)
    now = datetime.now(UTC)
    told = forecast(expression, place, now=now, count=count)
    if as_json:
        document = {"schedule_pattern": told.pattern, "time_zone": place.key, "in_words": told.words}
        print_json({**document, "next": [instant(slot) for slot in told.slots], "remarks": told.remarks})
        return
    click.echo(f"{told.words} ({place.key}).")
    for slot in told.slots:
        click.echo(f"  {instant_in_full(slot, zone=place)}  in {span((slot - now).total_seconds())}")
    for sentence in told.remarks:
        click.echo(f"Clock change: {sentence}.")
