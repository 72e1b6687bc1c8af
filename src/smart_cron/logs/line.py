"""How one event becomes one line of JSON: the only place that knows the bytes on disk.

A line never holds a raw control character (CR, LF, ESC, NUL, DEL, C1, U+2028): what a task or a visitor wrote can
neither forge a second line nor drive a terminal. Text beyond ASCII stays as it is, so that `grep` finds it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from json import JSONEncoder
from typing import Any, Final

MAX_LINE_BYTES: Final = 65_536
"""A longer line is cut down, value by value: a log is no place for a task's output."""

_CLIPPED_CHARS: Final = 2_000
_MAX_DEPTH: Final = 6
_MAX_ITEMS: Final = 200
_SECOND: Final = timedelta(seconds=1)

# What JSON itself leaves raw: DEL and C1 controls, line separators, bidirectional overrides, lone surrogates.
_UNSAFE: Final = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _as_text(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


_ENCODER: Final = JSONEncoder(ensure_ascii=False, allow_nan=False, default=_as_text)


def _tame(value: object, depth: int = 0) -> Any:
    """Return something that JSON can say for anything at all: cycles, NaN, odd keys, endless text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        return {_clip(str(key)): _tame(item, depth + 1) for key, item in list(value.items())[:_MAX_ITEMS]}
    if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [_tame(item, depth + 1) for item in list(value)[:_MAX_ITEMS]]
    return _clip(_described(value))


def _described(value: object) -> str:
    try:
        return _as_text(value)
    except Exception:  # noqa: BLE001  a __str__ that fails must not fail the run that is being logged
        return f"<{type(value).__name__}>"


def _clip(text: str) -> str:
    return text if len(text) <= _CLIPPED_CHARS else f"{text[:_CLIPPED_CHARS]}… ({len(text)} characters)"


def encode(value: object) -> str:
    """Return JSON for any value; what JSON cannot say is described in words."""
    try:
        return _ENCODER.encode(value)
    except Exception:  # noqa: BLE001  the value is somebody else's: no fault in it may reach the caller
        return _ENCODER.encode(_tame(value))


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def resident_memory() -> str:
    """Return this process's resident memory as the log prints it, such as `45.2MB`."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            pages = int(statm.read().split()[1])
    except (OSError, ValueError, IndexError):
        return "0.0MB"
    return f"{pages * os.sysconf('SC_PAGE_SIZE') / 1_048_576:.1f}MB"


@dataclass(frozen=True, slots=True)
class _Texts:
    """What lines of one second have in common; one value, so that threads never mix two seconds."""

    begins_at: datetime
    ends_at: datetime
    local: str
    utc: str
    memory: str


class LineFormat:
    """Renders lines; the two clocks' texts and the memory are rendered once a second."""

    def __init__(self, *, zone: tzinfo | None = None) -> None:
        """Print local times in *zone*; None is the machine's own."""
        self._zone = zone
        never = datetime.min.replace(tzinfo=UTC)
        self._texts = _Texts(never, never, "", "", "")

    def render(self, at: datetime, level: str, message: str, context: Mapping[str, object]) -> bytes:
        """Return the line for an event at an aware instant, its newline included."""
        line = self._line(at, level, encode(message), encode(context) if context else "{}")
        if len(line) > MAX_LINE_BYTES:
            line = self._line(at, level, encode(_clip(message)), encode(_tame(context)))
        if len(line) > MAX_LINE_BYTES:
            line = self._line(at, level, encode(_clip(message)), encode({"context": _clip(encode(_tame(context)))}))
        return line

    def _line(self, at: datetime, level: str, message: str, context: str) -> bytes:
        texts, micros = self._texts_for(at), f"{at.microsecond:06d}"
        text = (
            f'{{"timestamp": "{texts.local}.{micros}", "level": "{level}", "message": {message}, '
            f'"context": {context}, "pid": {os.getpid()}, "memory": "{texts.memory}", '
            f'"utc": "{texts.utc}.{micros}Z"}}\n'
        )
        if not text.isascii() or "\x7f" in text:  # the question costs a twentieth of the search
            text = _UNSAFE.sub(_escape, text)
        return text.encode()

    def _texts_for(self, at: datetime) -> _Texts:
        if not self._texts.begins_at <= at < self._texts.ends_at:
            second = at.replace(microsecond=0)
            local = f"{at.astimezone(self._zone):%Y-%m-%d %H:%M:%S}"
            utc = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
            self._texts = _Texts(second, second + _SECOND, local, utc, resident_memory())
        return self._texts
