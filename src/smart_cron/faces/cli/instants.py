"""Points in time on the command line: `core.moments`, and what is wrong with others."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import click

from smart_cron.core.moments import FIRST_YEAR, FORMS, Moment, is_in_reach, moment_of
from smart_cron.core.zones import MAX_YEAR


def read_moment(text: str, *, option: str, now: datetime, place: ZoneInfo) -> Moment:
    """Read a point in time. Raise click.UsageError with the forms that there are, or the years, naming the option."""
    text = text.strip()
    found = moment_of(text, now=now, place=place)
    if found is None:
        raise click.UsageError(f"{option}: '{text}' is no point in time; write it like {FORMS}.")
    require_reach(found.at, text, option=option)
    return found


def require_reach(at: datetime, text: str, *, option: str) -> None:
    """Raise click.UsageError for a year in which nothing is planned, and near which no zone's clock can be told."""
    if not is_in_reach(at):
        raise click.UsageError(
            f"{option}: {text} is out of reach; the years from {FIRST_YEAR} to {MAX_YEAR} are known."
        )
