"""Reading log files back: from the end, by criteria, compressed ones too.

Nothing in a file can make this fail: a line that is not a JSON object comes back as its text. Work and memory are
bounded by what is asked for, not by the size of the file.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

from smart_cron.core.errors import SmartCronError
from smart_cron.logs.criteria import Criteria

_BLOCK_BYTES: Final = 65_536
_MAX_LINE_BYTES: Final = 1_048_576
# A compressed file may unpack to anything: this is far more than a day of ours, and an end.
_MAX_UNPACKED_BYTES: Final = 4 * 1024**3


class LogReadError(SmartCronError):
    """A log file that is there but cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"the log {path} cannot be read: {reason}.", remedy="Check who may read it.")
        self.path = path


def tail(path: Path, lines: int = 100) -> list[dict[str, Any]]:
    """Return the last *lines* entries, oldest first; `[]` where there is no such file, nor one with `.gz` behind it."""
    return _latest(entries_backwards(path), lines)


def search(path: Path, criteria: Mapping[str, Any], limit: int = 100) -> list[dict[str, Any]]:
    """Return the latest *limit* entries that meet all criteria, oldest first; `[]` where there is no such file."""
    wanted = Criteria(criteria)
    return _latest((entry for entry in entries_backwards(path) if wanted.admit(entry)), limit)


def _latest(entries: Iterable[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    found = list(islice(entries, max(limit, 0)))
    found.reverse()
    return found


def parse(line: bytes) -> dict[str, Any]:
    """Return the entry that a line holds; any other line is its own message, and its text stands under `raw`."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if isinstance(entry, dict):
        return entry
    text = line.decode("utf-8", "replace")
    return {"timestamp": "", "level": "", "message": text, "context": {}, "pid": None, "memory": "", "raw": text}


def entries_backwards(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the entries of a plain or compressed file, newest first. Raise LogReadError where it cannot be read."""
    try:
        path = _existing(path)
        lines = _packed_backwards(path) if path.suffix == ".gz" else _plain_backwards(path)
        for line in lines:
            if line.strip():
                yield parse(line.rstrip(b"\r"))
    except FileNotFoundError:
        return
    except OSError as error:
        raise LogReadError(path, error.strerror or str(error)) from error


def entries_with(path: Path, word: bytes) -> Iterator[dict[str, Any]]:
    """Yield the entries of a plain or compressed file whose line has this word, oldest first.

    A day of a million lines is looked through within a second, since only these lines are taken apart. Raise
    LogReadError where the file cannot be read, after what could be read of it.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            for line in _lines_with(word, _blocks(file)):
                yield parse(line.rstrip(b"\r"))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise LogReadError(path, f"it cannot be unpacked: {error}") from error
    except OSError as error:
        raise LogReadError(path, error.strerror or str(error)) from error


def _blocks(file: gzip.GzipFile | IO[bytes]) -> Iterator[bytes]:
    total = 0
    while block := file.read(_MAX_LINE_BYTES):
        total += len(block)
        if total > _MAX_UNPACKED_BYTES:
            raise OSError(None, "it holds more than 4 GiB")
        yield block


def _lines_with(word: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        whole, _, tail = (rest + block).rpartition(b"\n")
        yield from _around(word, whole)
        # Of an endless line its beginning is kept.
        rest = tail[:_MAX_LINE_BYTES]
    yield from _around(word, rest)


def _around(word: bytes, lines: bytes) -> Iterator[bytes]:
    found = lines.find(word)
    while found >= 0:
        begin, end = lines.rfind(b"\n", 0, found) + 1, lines.find(b"\n", found)
        end = len(lines) if end < 0 else end
        yield lines[begin:end]
        found = lines.find(word, end)


def _existing(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    return packed if not path.exists() and packed.exists() else path


def _plain_backwards(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        position = file.seek(0, os.SEEK_END)
        # Blocks of the line whose beginning is not read yet, last one first; of an endless line its beginning is kept.
        rest: deque[bytes] = deque(maxlen=_MAX_LINE_BYTES // _BLOCK_BYTES + 1)
        while position > 0:
            size = min(_BLOCK_BYTES, position)
            position -= size
            file.seek(position)
            first, *whole = file.read(size).split(b"\n")
            if whole:
                rest.append(whole.pop())
                yield _joined(rest)
                yield from reversed(whole)
                rest.clear()
            rest.append(first)
        yield _joined(rest)


def _joined(rest: deque[bytes]) -> bytes:
    return b"".join(reversed(rest))[:_MAX_LINE_BYTES]


def _packed_backwards(path: Path) -> Iterator[bytes]:
    # Compressed files can only be read forwards; the window keeps the memory bounded.
    kept: deque[bytes] = deque(maxlen=100_000)
    try:
        with gzip.open(path, "rb") as file:
            kept.extend(_bounded_lines(file))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        kept.append(f"(the rest of {path.name} cannot be unpacked: {error})".encode())
    yield from reversed(kept)


def _bounded_lines(file: gzip.GzipFile | IO[bytes]) -> Iterator[bytes]:
    total = 0
    while line := file.readline(_MAX_LINE_BYTES):
        total += len(line)
        if total > _MAX_UNPACKED_BYTES:
            yield b"(the rest is left out: this file unpacks to more than 4 GiB)"
            return
        yield line.rstrip(b"\n")
