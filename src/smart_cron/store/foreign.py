"""Values as somebody's SQL may have left them: SQLite keeps any value in any column.

One that cannot be what it should be is read as near to it as can be, so that one row stops no look at the others.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

LONGEST = timedelta(days=36_500)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)


def number(value: object) -> float | None:
    """Return a finite number, None for anything else."""
    if isinstance(value, str | bytes) or value is None:
        return None
    try:
        found = float(value)  # type: ignore[arg-type]  # a Decimal, too
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def whole(value: object) -> int:
    """Return a whole number, 0 for anything else."""
    if type(value) is int:
        return value  # As nearly every one of thousands is.
    return int(number(value) or 0)


def word(value: object) -> str:
    """Return text; what is none is shown as it can be."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def seconds(value: object) -> timedelta:
    """Return a length of time of at most a hundred years, none for what is no number of seconds."""
    return timedelta(seconds=min(max(number(value) or 0.0, 0.0), LONGEST.total_seconds()))


def near(instant: datetime | None) -> datetime | None:
    """Return an instant from which can be counted on."""
    return None if instant is None else min(instant, LATEST)
