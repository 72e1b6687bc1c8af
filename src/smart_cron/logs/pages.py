"""A day's log by pieces: backwards from any byte of it, and onward from one. Offsets count unpacked bytes."""

from __future__ import annotations

import gzip
import os
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from smart_cron.logs.reading import LogReadError, parse

_BLOCK_BYTES: Final = 65_536
# So much is looked through for one piece: a word that is rare is looked for piece by piece.
MOST_BYTES: Final = 8 * 1024 * 1024
_MOST_LINE_BYTES: Final = 1_048_576
_File = IO[bytes] | gzip.GzipFile
Admit = Callable[[Mapping[str, Any]], bool]


@dataclass(slots=True)
class LogPiece:
    """Entries with the offsets of their lines, oldest first; it reaches from `start` to `end` of the day."""

    start: int
    end: int
    entries: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)


def opened(path: Path) -> _File:
    """Open a day's log, packed or not, but never what a link leads to. Raise FileNotFoundError, LogReadError."""
    for name, is_packed in ((path, False), (path.with_name(f"{path.name}.gz"), True)):
        try:
            fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise LogReadError(name, error.strerror or str(error)) from error
        file = os.fdopen(fd, "rb")
        return gzip.GzipFile(fileobj=file) if is_packed else file
    raise FileNotFoundError(path)


def before(path: Path, end: int | None, admit: Admit, *, limit: int) -> LogPiece:
    """Return the last *limit* entries that lie before this offset (None: the end)."""
    try:
        with opened(path) as file:
            read = _packed if isinstance(file, gzip.GzipFile) else _plain
            return read(file, end, admit, limit)
    except FileNotFoundError:
        return LogPiece(0, 0)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise LogReadError(path, f"it cannot be unpacked: {error}") from error


def onward(path: Path, start: int, admit: Admit) -> LogPiece:
    """Return the entries from this offset on, as far as there are whole lines, but no more than a block of them."""
    try:
        with opened(path) as file:
            file.seek(start)
            data = file.read(4 * _BLOCK_BYTES)
    except FileNotFoundError:
        return LogPiece(start, start)
    whole = data.rfind(b"\n") + 1
    if not whole and len(data) == 4 * _BLOCK_BYTES:
        whole = len(data)
    return LogPiece(start, start + whole, _admitted(data[:whole], start, admit))


def _plain(file: _File, end: int | None, admit: Admit, limit: int) -> LogPiece:
    size = file.seek(0, os.SEEK_END)
    end = size if end is None else min(end, size)
    position, start, rest = end, end, b""
    found: list[tuple[int, Mapping[str, Any]]] = []
    while position > 0 and len(found) < limit and end - position < MOST_BYTES:
        length = min(_BLOCK_BYTES, position)
        position -= length
        file.seek(position)
        data = file.read(length) + rest
        # The first line may have begun earlier; of one without an end its beginning is given up.
        cut = data.find(b"\n") + 1 if position else 0
        if position and not cut and len(data) < _MOST_LINE_BYTES:
            rest = data
            continue
        rest, start = data[:cut], position + cut
        found = _admitted(data[cut:], start, admit) + found
    if len(found) > limit:
        found = found[-limit:]
        start = found[0][0]
    elif position == 0:
        start = 0
    return LogPiece(start, end, found)


def _packed(file: _File, end: int | None, admit: Admit, limit: int) -> LogPiece:
    """It can only be read forwards."""
    kept: deque[tuple[int, Mapping[str, Any]]] = deque(maxlen=limit + 1)
    offset = 0
    while (end is None or offset < end) and (line := file.readline(_MOST_LINE_BYTES)):
        if line.strip() and admit(entry := parse(line.rstrip(b"\r\n"))):
            kept.append((offset, entry))
        offset += len(line)
    found = list(kept)[-limit:]
    return LogPiece(found[0][0] if len(kept) > limit else 0, offset, found)


def _admitted(data: bytes, start: int, admit: Admit) -> list[tuple[int, Mapping[str, Any]]]:
    found: list[tuple[int, Mapping[str, Any]]] = []
    offset = start
    for line in data.split(b"\n"):
        if line.strip() and admit(entry := parse(line.rstrip(b"\r"))):
            found.append((offset, entry))
        offset += len(line) + 1
    return found
