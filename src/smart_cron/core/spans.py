"""Lengths of time as people say them. Pure, for every room that words something."""

from __future__ import annotations

import re
from datetime import timedelta

MINUTE, HOUR, DAY = 60, 3600, 86_400
UNITS = {"s": 1, "m": MINUTE, "min": MINUTE, "h": HOUR, "d": DAY}
_WRITTEN = re.compile(r"(-?[0-9]{1,9})\s*(s|m|min|h|d)?", re.ASCII)


def span(length: timedelta | float | None) -> str:
    """Return a length of time as people say it: `420 ms`, `12.3 s`, `3 min 5 s`, `2 h 5 min`, `3 d 4 h`."""
    if length is None:
        return "–"
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < MINUTE:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    return _two_units(round(seconds))


def _two_units(seconds: int) -> str:
    if seconds < HOUR:
        return _joined((seconds // MINUTE, "min"), (seconds % MINUTE, "s"))
    if seconds < DAY:
        return _joined((seconds // HOUR, "h"), (seconds % HOUR // MINUTE, "min"))
    return _joined((seconds // DAY, "d"), (seconds % DAY // HOUR, "h"))


def _joined(large: tuple[int, str], small: tuple[int, str]) -> str:
    return " ".join(f"{number} {unit}" for number, unit in (large, small) if number)


def read_span(text: str) -> timedelta | None:
    """Return a length of time as people write it: seconds, or 90s, 5m, 2h, 1d. None where it is none."""
    found = _WRITTEN.fullmatch(text)
    return timedelta(seconds=int(found[1]) * UNITS[found[2] or "s"]) if found else None


def written_span(length: timedelta) -> str:
    """Return a length of whole seconds so that `read_span` reads it again: in the largest unit that divides it."""
    seconds = int(length.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds and seconds % UNITS[unit] == 0:
            return f"{seconds // UNITS[unit]}{unit}"
    return f"{seconds}s"
