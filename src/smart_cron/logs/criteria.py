"""What a search of the log may ask for, checked before a line is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from smart_cron.core.errors import InvalidInputError
from smart_cron.logs.levels import weight_of


class Criteria:
    """All of the given keys must hold of an entry.

    - `level`: one level, or a list of them; `min_level`: this level or a heavier one
    - `message`: a part of the message, whatever its case
    - `from`, `to`: bounds, both included. A text or naive time is local, as `timestamp` is, and may stop at any
      place (`2025-11-05`, `2025-11-05 14:30`); one with an offset or `Z`, or an aware datetime, is an instant
    - `pid`, and any other key: a field of the context, compared as text

    Raises InvalidInputError for levels and times that cannot be read.
    """

    def __init__(self, wanted: Mapping[str, Any]) -> None:
        rest = dict(wanted)
        self._levels = _levels(rest.pop("level", None))
        minimum = rest.pop("min_level", None)
        self._min_weight = weight_of(str(minimum)) if minimum else 0
        self._message = str(rest.pop("message", None) or "").casefold()
        self._from = _bound("from", rest.pop("from", None))
        self._to = _bound("to", rest.pop("to", None))
        pid = rest.pop("pid", None)
        self._pid = None if pid is None else str(pid)
        self._fields = {key: _text(value) for key, value in rest.items()}

    def admit(self, entry: Mapping[str, Any]) -> bool:
        """Say whether an entry, as `reading` returns it, meets them all."""
        return (
            self._level_fits(str(entry.get("level", "")))
            and self._message in str(entry.get("message", "")).casefold()
            and (self._pid is None or str(entry.get("pid")) == self._pid)
            and self._time_fits(entry)
            and self._fields_fit(entry.get("context"))
        )

    def _level_fits(self, level: str) -> bool:
        if self._levels and level not in self._levels:
            return False
        return not self._min_weight or _weight_or_zero(level) >= self._min_weight

    def _time_fits(self, entry: Mapping[str, Any]) -> bool:
        if self._from is None and self._to is None:
            return True
        after = self._from is None or _compare(entry, self._from) >= 0
        return after and (self._to is None or _compare(entry, self._to, unknown=1) <= 0)

    def _fields_fit(self, context: object) -> bool:
        if not self._fields:
            return True
        return isinstance(context, Mapping) and all(
            key in context and _text(context[key]) == value for key, value in self._fields.items()
        )


def _levels(value: object) -> frozenset[str]:
    if not value:
        return frozenset()
    wanted = (
        [value] if isinstance(value, str) else list(value) if isinstance(value, list | tuple | set) else [str(value)]
    )
    for level in wanted:
        weight_of(str(level))
    return frozenset(str(level).upper() for level in wanted)


def _weight_or_zero(level: str) -> int:
    try:
        return weight_of(level)
    except InvalidInputError:
        return 0


def _text(value: object) -> str:
    return (
        {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else str(value)
    )


def _bound(key: str, value: object) -> str | datetime | None:
    """Return an aware instant, or the beginning of a local timestamp, or None for no bound."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo else f"{value:%Y-%m-%d %H:%M:%S.%f}"
    text = str(value).strip().replace("T", " ")
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(
            [f"'{key}' is no time: '{value}'."], remedy="Write 2025-11-05, 2025-11-05 14:30 or 2025-11-05T14:30:00Z."
        ) from None
    return parsed if parsed.tzinfo else text


def _compare(entry: Mapping[str, Any], bound: str | datetime, *, unknown: int = -1) -> int:
    """Return -1, 0 or 1 for an entry before, at or after a bound, and *unknown* for one that has no time."""
    if isinstance(bound, datetime):
        try:
            at = datetime.fromisoformat(str(entry.get("utc", "")))
            return (at > bound) - (at < bound)
        except (ValueError, TypeError):
            return unknown
    stamp = str(entry.get("timestamp") or "")[: len(bound)]
    return (stamp > bound) - (stamp < bound) if stamp else unknown
