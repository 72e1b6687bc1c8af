"""Values in words: harmless text, spans, instants, sizes. Pure; the clock is handed in."""

from __future__ import annotations

from datetime import datetime, tzinfo

from smart_cron.core import spans
from smart_cron.core.spans import HOUR, MINUTE
from smart_cron.core.zones import in_zone

span = spans.span


def printable(text: object, *, limit: int | None = None) -> str:
    """Return *text* on one line with everything escaped that a terminal could act upon (SECURITY 22)."""
    shown = "".join(mark if mark.isprintable() else _escaped(mark) for mark in str(text))
    return shown if limit is None or len(shown) <= limit else shown[: limit - 1] + "…"


def _escaped(mark: str) -> str:
    return mark.encode("unicode_escape").decode("ascii")


def printable_lines(text: str) -> list[str]:
    """Return the lines of a task's output, each harmless, tabs as blanks."""
    return [printable(line.removesuffix("\r").expandtabs(4)) for line in text.removesuffix("\n").split("\n")]


def moment(instant: datetime | None, *, now: datetime, zone: tzinfo) -> str:
    """Return an instant for a narrow column: relative within the hour, else as short as the day allows."""
    if instant is None:
        return "–"
    away = (instant - now).total_seconds()
    if abs(away) < HOUR:
        return _relative(away)
    local, today = in_zone(instant, zone), now.astimezone(zone)
    if local.date() == today.date():
        return local.strftime("%H:%M")
    return local.strftime("%b %d %H:%M" if local.year == today.year else "%Y-%m-%d")


def _relative(away: float) -> str:
    size = abs(away)
    if size < 1:
        return "now"
    words = f"{size:.0f} s" if size < MINUTE else f"{size // MINUTE:.0f} min"
    return f"in {words}" if away > 0 else f"{words} ago"


def instant_in_full(instant: datetime | None, *, zone: tzinfo) -> str:
    """Return an instant with its date, seconds and zone."""
    return "–" if instant is None else in_zone(instant, zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def size(count: int | None) -> str:
    """Return a number of bytes, in thousands as disks are sold."""
    if count is None:
        return "–"
    if count < 1000:
        return f"{count} B"
    number = float(count)
    for unit in ("kB", "MB", "GB"):
        number /= 1000
        if number < 999.95:
            return f"{number:.1f} {unit}"
    return f"{number / 1000:.1f} TB"


def rate(part: int, whole: int) -> str:
    """Return a share in percent, a dash where there is nothing to share. 99.96 % is not 100 %."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    return f"{percent:.0f} %" if percent == round(percent) else f"{min(percent, 99.9):.1f} %"


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return `1 task`, `2 tasks`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
