"""Reading back what a task printed, while it still prints or afterwards. For the engine and the faces."""

from __future__ import annotations

import heapq
import os
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from smart_cron.taskrunner.output import (
    FRAME,
    MARK,
    OFFSET,
    SEGMENT_LETTERS,
    STDERR,
    STDOUT,
    output_files,
    segment_path,
)

STREAM_NUMBERS = {"stdout": STDOUT, "stderr": STDERR}
STREAM_NAMES = {number: name for name, number in STREAM_NUMBERS.items()}
# Room for the heads of a thousand frames. Who prints in smaller pieces is read the long way.
FRAMES_BYTES = 16_384


class Chunk(NamedTuple):
    """Some output as it was read: the stream's name, milliseconds since the start, and the bytes."""

    stream: str
    milliseconds: int
    data: bytes


def whole_output(path: str | os.PathLike[str], stdout_bytes: int, stderr_bytes: int) -> tuple[bytes, bytes] | None:
    """Return both streams of a finished run that printed so much, by one read of its main file.

    None where that file alone does not hold it all, or cannot be read: `OutputReader.head_tail` then tells what there
    is, at the price of looking for segments through the whole directory.
    """
    limit = stdout_bytes + stderr_bytes + FRAMES_BYTES
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        data = os.read(fd, limit)
    except OSError:
        return None
    finally:
        os.close(fd)
    streams = _streams_in(data)
    return streams if (len(streams[0]), len(streams[1])) == (stdout_bytes, stderr_bytes) else None


def _streams_in(data: bytes) -> tuple[bytes, bytes]:
    parts: dict[int, list[bytes]] = {STDOUT: [], STDERR: []}
    offset, header = 0, FRAME.size
    while offset + header <= len(data):
        kind, length, _ = FRAME.unpack_from(data, offset)
        offset += header
        if kind in parts:
            parts[kind].append(data[offset : offset + length])
        offset += length
    return b"".join(parts[STDOUT]), b"".join(parts[STDERR])


def dropped_mark(count: int) -> bytes:
    """Return what stands in place of *count* bytes that were not kept."""
    return b"\n[... %d bytes dropped ...]\n" % count


class _FrameCursor:
    """A place in one file of frames; a frame that is not whole yet is left for the next time."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._offset = 0

    def frames(self) -> Iterator[tuple[int, int, bytes]]:
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return
        with open(fd, "rb") as file:
            file.seek(self._offset)
            while len(head := file.read(FRAME.size)) == FRAME.size:
                kind, length, milliseconds = FRAME.unpack(head)
                data = file.read(length)
                if len(data) < length:
                    return
                self._offset += FRAME.size + length
                yield kind, milliseconds, data


class OutputReader:
    """Reads the output at *path*; `read` again goes on where it stopped, which is how a growing file is followed."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._main = _FrameCursor(self._path)
        self._segments: dict[int, _FrameCursor | None] = {STDOUT: None, STDERR: None}
        self._segment_numbers = {STDOUT: 0, STDERR: 0}
        self._positions = {STDOUT: 0, STDERR: 0}

    def read(self, stream: str | None = None) -> Iterator[Chunk]:
        """Yield what was printed since the last call (at first: from the start), in order of reading.

        With *stream* ('stdout' or 'stderr') the other one is left out. Where bytes were dropped, a visible mark stands
        in their place.
        """
        sources = [self._main.frames(), self._tail_frames(STDOUT), self._tail_frames(STDERR)]
        for kind, milliseconds, data in heapq.merge(*sources, key=lambda frame: frame[1]):
            chunk = self._chunk(kind, milliseconds, data)
            if chunk is not None and stream in (None, chunk.stream):
                yield chunk

    def _chunk(self, kind: int, milliseconds: int, data: bytes) -> Chunk | None:
        if kind > MARK:
            number, offset = kind - MARK, OFFSET.unpack(data)[0]
            gap = offset - self._positions[number]
            self._positions[number] = offset
            return Chunk(STREAM_NAMES[number], milliseconds, dropped_mark(gap)) if gap > 0 else None
        self._positions[kind] += len(data)
        return Chunk(STREAM_NAMES[kind], milliseconds, data)

    def _tail_frames(self, number: int) -> Iterator[tuple[int, int, bytes]]:
        while True:
            cursor = self._segments[number]
            if cursor is not None:
                yield from cursor.frames()
            following = self._segment_after(number)
            if following is None:
                return
            self._segment_numbers[number] = following
            self._segments[number] = _FrameCursor(segment_path(self._path, number, following))

    def _segment_after(self, number: int) -> int | None:
        present = self._segment_numbers[number]
        if os.path.exists(segment_path(self._path, number, present + 1)):
            return present + 1
        if present and os.path.exists(segment_path(self._path, number, present)):
            return None  # They are given up in order, and never the newest one.
        # The next one may have been given up already: go on with the oldest that is left.
        prefix = f"{self._path}.{SEGMENT_LETTERS[number]}"
        later = [
            int(path[len(prefix) :]) for path in output_files(self._path) if path.startswith(prefix) and path != prefix
        ]
        return min((found for found in later if found > present), default=None)

    def head_tail(self, stream: str, limit_bytes: int) -> tuple[bytes, int]:
        """Return at most about *limit_bytes* of a stream (its head and its tail), and how much it printed in all.

        What lies between is replaced by the mark, which comes on top of the limit. Reads from the start.
        """
        fresh = OutputReader(self._path)
        number = STREAM_NUMBERS[stream]
        head, tail = bytearray(), deque[bytes]()
        tail_bytes = 0
        for data in fresh._kept_bytes(number):
            room = limit_bytes - limit_bytes // 2 - len(head)
            head += data[: max(room, 0)]
            tail.append(data[max(room, 0) :])
            tail_bytes += len(tail[-1])
            while tail and tail_bytes - len(tail[0]) >= limit_bytes // 2:
                tail_bytes -= len(tail.popleft())
        total = fresh._positions[number]
        end = b"".join(tail)[-(limit_bytes // 2) :] if limit_bytes > 1 else b""
        dropped = total - len(head) - len(end)
        return bytes(head) + (dropped_mark(dropped) if dropped > 0 else b"") + end, total

    def _kept_bytes(self, number: int) -> Iterator[bytes]:
        for kind, milliseconds, data in heapq.merge(
            self._main.frames(), self._tail_frames(number), key=lambda frame: frame[1]
        ):
            if kind in (number, number + MARK):
                self._chunk(kind, milliseconds, data)
            if kind == number:
                yield data
