"""What a task printed: an append-only file of frames, written by the supervisor while anybody may read it.

A frame is a stream number, a length, the milliseconds since the start, and the bytes as they were read. The main
file holds each stream up to half its cap, in order of reading; what comes later rolls through segments beside it
(`NAME.o1`, `NAME.e1`, …) of which the oldest are deleted, so that ten gigabytes pass through the room of one cap. A
mark frame tells at which byte of its stream the next frame begins; whoever reads sees by it how much was dropped.
"""

from __future__ import annotations

import hashlib
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

STDOUT = 1
STDERR = 2
MARK = 16  # added to a stream's number: the frame holds the offset in the stream, not output

FRAME = struct.Struct("<BIQ")
OFFSET = struct.Struct("<Q")

FILE_MODE = 0o640
DIRECTORY_MODE = 0o750
# 0 is what the run used over time: see `usage`.
SEGMENT_LETTERS = {0: "r", STDOUT: "o", STDERR: "e"}
# A tail of five segments of an eighth holds at least the other half of the cap.
SEGMENTS_KEPT = 5
SMALLEST_SEGMENT = 4096
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


def segment_path(path: str, stream: int, number: int) -> str:
    """Return where segment *number* (1 is the first) of a stream's tail lies."""
    return f"{path}.{SEGMENT_LETTERS[stream]}{number}"


class FrameFile:
    """One file of frames, opened exclusively and only appended to."""

    __slots__ = ("_end", "fd", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = create(path)
        self._end = 0

    def write(self, stream: int, data: bytes, milliseconds: int) -> bool:
        """Append one frame by one write; False where there was no room, and then nothing was added."""
        frame = FRAME.pack(stream, len(data), milliseconds) + data
        try:
            written = os.write(self.fd, frame)
        except OSError:
            written = 0
        if written == len(frame):
            self._end += written
            return True
        if written:
            os.ftruncate(self.fd, self._end)
        return False

    def close(self) -> None:
        os.close(self.fd)


def create(path: str) -> int:
    """Open a new file to be appended to, and return its descriptor; the directory is made where there is none."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags, FILE_MODE)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), DIRECTORY_MODE, exist_ok=True)
        return os.open(path, flags, FILE_MODE)


class StreamTail:
    """What a stream prints beyond its head: numbered segments, of which the oldest are given up."""

    __slots__ = ("_file", "_number", "_path", "_segment_bytes", "_stream", "_used")

    def __init__(self, path: str, stream: int, cap: int) -> None:
        self._path, self._stream = path, stream
        self._segment_bytes = max(cap // 8, SMALLEST_SEGMENT)
        self._file: FrameFile | None = None
        self._number = 0
        self._used = 0

    def write(self, data: bytes, milliseconds: int, offset: int, *, after_gap: bool) -> bool:
        """Append output that begins at *offset* of its stream; False where there was no room."""
        while data:
            if self._file is None or self._used >= self._segment_bytes:
                self._next_segment()
                after_gap = True
            assert self._file is not None
            if after_gap and not self._file.write(self._stream + MARK, OFFSET.pack(offset), milliseconds):
                return False
            part = data[: self._segment_bytes - self._used]
            if not self._file.write(self._stream, part, milliseconds):
                return False
            self._used += len(part)
            data, offset, after_gap = data[len(part) :], offset + len(part), False
        return True

    def _next_segment(self) -> None:
        self.close()
        self._number += 1
        self._used = 0
        spent = self._number - SEGMENTS_KEPT
        # Delete before creating: on a full disk this makes the room that the next one needs.
        if spent > 0:
            os.unlink(segment_path(self._path, self._stream, spent))
        self._file = FrameFile(segment_path(self._path, self._stream, self._number))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def gave_up(self) -> bool:
        return self._number > SEGMENTS_KEPT


class StreamMeter:
    """How much a stream printed, and where its next bytes go."""

    __slots__ = ("gap", "number", "tail", "total")

    def __init__(self, number: int) -> None:
        self.number = number
        self.total = 0
        self.gap = False
        self.tail: StreamTail | None = None


class OutputWriter:
    """Takes what a task prints. Never raises: a task is not stopped because its output cannot be kept.

    No file is made before the first byte. `problem` says in words what went wrong, or is empty; `truncated` that not
    everything printed is there.
    """

    __slots__ = ("_cap", "_digest", "_main", "_path", "_streams", "problem", "truncated")

    def __init__(self, path: str, cap: int) -> None:
        self._path, self._cap = path, cap
        self._main: FrameFile | None = None
        self._digest: hashlib._Hash | None = None
        self._streams = {STDOUT: StreamMeter(STDOUT), STDERR: StreamMeter(STDERR)}
        self.problem = ""
        self.truncated = False

    def write(self, stream: int, data: bytes, milliseconds: int) -> None:
        """Keep a chunk as it was read from the stream."""
        meter = self._streams[stream]
        if stream == STDOUT:
            if self._digest is None:
                self._digest = hashlib.sha256()
            self._digest.update(data)
        offset = meter.total
        meter.total += len(data)
        room = self._cap // 2 - offset
        if room >= len(data):
            self._keep(meter, data, milliseconds, offset, in_head=True)
            return
        if room > 0:
            self._keep(meter, data[:room], milliseconds, offset, in_head=True)
            data, offset = data[room:], offset + room
        self._keep(meter, data, milliseconds, offset, in_head=False)

    def _keep(self, meter: StreamMeter, data: bytes, milliseconds: int, offset: int, *, in_head: bool) -> None:
        try:
            kept = self._write_head(meter, data, milliseconds, offset) if in_head else False
            if not in_head:
                kept = self._write_tail(meter, data, milliseconds, offset)
        except OSError as error:
            self.problem = f"{error.strerror}: {error.filename or self._path}"
            kept = False
        if not kept:
            self.truncated = True
            self.problem = self.problem or f"no room left for {self._path}"
        meter.gap = not kept

    def _write_head(self, meter: StreamMeter, data: bytes, milliseconds: int, offset: int) -> bool:
        if self._main is None:
            self._main = FrameFile(self._path)
        if meter.gap and not self._main.write(meter.number + MARK, OFFSET.pack(offset), milliseconds):
            return False
        return self._main.write(meter.number, data, milliseconds)

    def _write_tail(self, meter: StreamMeter, data: bytes, milliseconds: int, offset: int) -> bool:
        if self._main is None:
            # A cap of nothing: readers still look for the main file first.
            self._main = FrameFile(self._path)
        if meter.tail is None:
            meter.tail = StreamTail(self._path, meter.number, self._cap)
        kept = meter.tail.write(data, milliseconds, offset, after_gap=meter.gap)
        self.truncated = self.truncated or meter.tail.gave_up
        return kept

    def begin(self) -> None:
        """Make the file before anything is printed: what lies beside it is found by it."""
        try:
            if self._main is None:
                self._main = FrameFile(self._path)
        except OSError:
            return  # Whatever is printed will say so.

    def total(self, stream: int) -> int:
        """Return how many bytes the stream has printed, kept or not."""
        return self._streams[stream].total

    @property
    def path(self) -> str | None:
        """Where the output lies, or None where nothing was printed or kept."""
        return None if self._main is None else self._path

    def sha256(self) -> str:
        """Return the digest of stdout as printed."""
        return EMPTY_SHA256 if self._digest is None else self._digest.hexdigest()

    def close(self) -> None:
        """Close the files; nothing is written after this."""
        if self._main is not None:
            self._main.close()
        for meter in self._streams.values():
            if meter.tail is not None:
                meter.tail.close()


def output_files(path: str) -> Sequence[str]:
    """Return all files that hold the output at *path*: what to delete or to pack together with it."""
    directory, name = os.path.split(path)
    prefixes = tuple(f"{name}.{letter}" for letter in SEGMENT_LETTERS.values())
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return [
        f"{directory}/{found}"
        for found in sorted(names)
        if found == name or (found.startswith(prefixes) and found[len(name) + 2 :].isdigit())
    ]
