"""How several checks say the same things."""

from __future__ import annotations

from collections.abc import Sequence

from smart_cron.core.health import CheckStatus, Finding

SHOWN = 5


def none_of(unit: str, check: str, message: str) -> Finding:
    """Return the finding of a check that counts what is wrong, one being too many, and found nothing."""
    return Finding(check=check, status=CheckStatus.OK, message=message, measured=0.0, threshold=1.0, unit=unit)


def some(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    shown = ", ".join(f"'{name}'" for name in names[:SHOWN])
    left = len(names) - SHOWN
    return f"{shown} and {left} more" if left > 0 else shown


def count(number: int, noun: str) -> str:
    """Return `1 task`, `2 tasks`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def span(seconds: float) -> str:
    """Return a length of time as a person reads it."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"
