"""The copy of a run's output that fits into a row: valid text, head and tail, the cut marked."""

from __future__ import annotations

from collections.abc import Callable

COPY_LIMIT_BYTES = 65_535
MESSAGE_CHARACTERS = 1000


def copy_text(data: bytes, limit: int = COPY_LIMIT_BYTES) -> str:
    """Return output as text of at most `limit` bytes in UTF-8, head and tail where it is longer.

    Bytes that are no UTF-8 and NUL, which PostgreSQL refuses, become U+FFFD. Cuts fall between whole characters.
    The middle is named as `[... N bytes left out ...]`, N counted in the output as printed.
    """
    if len(data) <= limit:
        text = _clean(data)
        if len(text.encode()) <= limit:
            return text
    room = max(0, limit - len(_mark(len(data)).encode()))
    # A byte that is replaced grows to three, so what is kept is measured as it will be stored.
    head = _head(data[:room], room // 2)
    tail = _tail(data[len(head) :][-room:] if room else b"", room - room // 2)
    left_out = len(data) - len(head) - len(tail)
    return f"{_clean(head)}{_mark(left_out)}{_clean(tail)}"


def cut_message(text: str, limit: int = MESSAGE_CHARACTERS) -> str:
    """Return one line of at most `limit` characters, an ellipsis in place of what was cut off."""
    line = " ".join(text.replace("\0", "\ufffd").split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def last_line(text: str | None) -> str:
    """Return the last line that says anything, or nothing."""
    lines = (text or "").rstrip().rsplit("\n", 1)
    return lines[-1].strip()


def _mark(left_out: int) -> str:
    return f"\n[... {left_out} bytes left out ...]\n"


def _clean(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\0", "\ufffd")


def _head(data: bytes, room: int) -> bytes:
    """Return the longest beginning, cut between characters, that takes at most `room` bytes once it is clean."""
    end = _longest(lambda length: data[:length], min(room, len(data)), room)
    for _ in range(3):
        if 0 < end < len(data) and _continues(data[end]):
            end -= 1
    return data[:end]


def _tail(data: bytes, room: int) -> bytes:
    """Return the longest end, cut between characters, that takes at most `room` bytes once it is clean."""
    start = len(data) - _longest(lambda length: data[len(data) - length :], min(room, len(data)), room)
    for _ in range(3):
        if 0 < start < len(data) and _continues(data[start]):
            start += 1
    return data[start:]


def _longest(piece: Callable[[int], bytes], most: int, room: int) -> int:
    """Return by bisection a length up to `most` whose piece fits; `most` itself fits wherever the bytes are text."""
    if len(_clean(piece(most)).encode()) <= room:
        return most
    fits, too_long = 0, most
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if len(_clean(piece(middle)).encode()) <= room:
            fits = middle
        else:
            too_long = middle
    return fits


def _continues(byte: int) -> bool:
    """Whether a byte is inside a UTF-8 character. No character has more than three such bytes."""
    return 0x80 <= byte < 0xC0
