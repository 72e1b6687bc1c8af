"""Output cut into lines, from one place to another: what is shown of it at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from smart_cron.services.output.frames import Frame, Frames, Place
from smart_cron.taskrunner.output import STDERR, STDOUT

PIECE_BYTES = 32_768
PIECE_LINES = 400
# A line without an end is cut after so many bytes.
MOST_BYTES = 2 * PIECE_BYTES
BOTH = frozenset({STDOUT, STDERR})


@dataclass(slots=True)
class Line:
    """One line, or a part of one. `begins` is false where it goes on with the line before the piece.

    `gap` is how many bytes stand nowhere: then it is no line, but the place where they were.
    """

    number: int
    stream: int
    milliseconds: int
    data: bytearray
    begins: bool = True
    gap: int = 0


@dataclass(slots=True)
class Piece:
    """Lines from one place to another; `has_more` says whether there were more when it was read."""

    start: Place
    end: Place
    lines: list[Line] = field(default_factory=list)
    has_more: bool = False


def piece(
    frames: Frames, start: Place, *, streams: frozenset[int] = BOTH, until: Place | None = None, is_over: bool = True
) -> Piece:
    """Return the lines from *start* on: up to some hundred, up to *until*, or up to the end there is now.

    Where the output is not over, a character of which bytes are missing yet is left for the next time.
    """
    cutter = _Cutter(start, streams)
    for frame in frames.walk(start):
        if until is not None and cutter.has_reached(until):
            break
        if not cutter.take(frame, until):
            cutter.has_more = True
            break
    if not is_over and not cutter.has_more:
        cutter.hold_back()
    return Piece(start, cutter.place, cutter.lines, cutter.has_more)


def counted(place: Place, frame: Frame, streams: frozenset[int]) -> Place:
    """Return the place behind a whole frame: as `piece` would, without making its lines."""
    stdout, stderr, line, open_stream, _ = place
    size = len(frame.data) + frame.gap
    if frame.stream == STDOUT:
        stdout += size
    else:
        stderr += size
    if frame.stream in streams and size:
        if frame.gap and open_stream:
            line, open_stream = line + 1, 0
        if frame.data:
            line += (open_stream not in (0, frame.stream)) + frame.data.count(b"\n")
            open_stream = 0 if frame.data.endswith(b"\n") else frame.stream
    return Place(stdout, stderr, line, open_stream, frame.after)


class _Cutter:
    """Takes frames and makes lines of them."""

    def __init__(self, place: Place, streams: frozenset[int]) -> None:
        self.place, self._streams = place, streams
        self.lines: list[Line] = []
        self.has_more = False
        self._bytes = 0
        self._last: tuple[Frame, Place] | None = None

    def has_reached(self, until: Place) -> bool:
        return self.place.stdout >= until.stdout and self.place.stderr >= until.stderr

    def take(self, frame: Frame, until: Place | None) -> bool:
        """Take a frame, or as much of it as there is room; say whether there is room for more."""
        if frame.stream not in self._streams or not (frame.data or frame.gap):
            self.place = counted(self.place, frame, self._streams)
            return True
        if frame.gap:
            self._take_gap(frame)
        if not frame.data:
            return self._has_room
        self._last = (frame, self.place)
        most = len(frame.data)
        if until is not None:
            known = until.stdout - self.place.stdout if frame.stream == STDOUT else until.stderr - self.place.stderr
            most = min(most, max(0, known))
        passed = self._take_lines(frame, most)
        return passed == len(frame.data) and self._has_room

    @property
    def _has_room(self) -> bool:
        return len(self.lines) < PIECE_LINES and self._bytes < PIECE_BYTES

    def _take_gap(self, frame: Frame) -> None:
        self.lines.append(Line(self.place.line, frame.stream, frame.milliseconds, bytearray(), gap=frame.gap))
        self.place = counted(self.place, frame._replace(data=b""), self._streams)._replace(states=frame.states_at(0))
        if not frame.data:
            self.place = self.place._replace(states=frame.after)

    def _take_lines(self, frame: Frame, most: int) -> int:
        data, passed = frame.data, 0
        line, open_stream = self.place.line, self.place.open
        if most and open_stream not in (0, frame.stream):
            line, open_stream = line + 1, 0
        while passed < most and (self._has_room or (open_stream and self._bytes < MOST_BYTES)):
            found = data.find(b"\n", passed, most)
            end = most if found < 0 else found + 1
            if end - passed > MOST_BYTES - self._bytes:
                end = _between_characters(data, passed, passed + max(1, MOST_BYTES - self._bytes))
            self._add(frame, line, data[passed:end], begins=open_stream == 0)
            passed = end
            line, open_stream = (line + 1, 0) if data[end - 1 : end] == b"\n" else (line, frame.stream)
        self._stand(frame, passed, line, open_stream)
        return passed

    def _add(self, frame: Frame, number: int, data: bytes, *, begins: bool) -> None:
        self._bytes += len(data)
        if not begins and self.lines and self.lines[-1].number == number and not self.lines[-1].gap:
            self.lines[-1].data += data
        else:
            self.lines.append(Line(number, frame.stream, frame.milliseconds, bytearray(data), begins=begins))

    def _stand(self, frame: Frame, passed: int, line: int, open_stream: int) -> None:
        stdout, stderr = self.place.stdout, self.place.stderr
        if frame.stream == STDOUT:
            stdout += passed
        else:
            stderr += passed
        self.place = Place(stdout, stderr, line, open_stream, frame.states_at(passed))

    def hold_back(self) -> None:
        """Give back the beginning of a character whose end has not come."""
        if self._last is None or not self.lines or not self.place.open:
            return
        frame, before = self._last
        taken = self.place.stdout - before.stdout if frame.stream == STDOUT else self.place.stderr - before.stderr
        missing = _incomplete(frame.data[:taken])
        if not missing or frame.stream != self.place.open:
            return
        line = self.lines[-1]
        del line.data[-missing:]
        if not line.data:
            self.lines.pop()
        self.place = before
        opened = line.stream if line.data or not line.begins else 0
        self._stand(frame, taken - missing, line.number, opened)


def _between_characters(data: bytes, begin: int, end: int) -> int:
    for back in range(min(4, end - begin)):
        if end - back >= len(data) or not 0x80 <= data[end - back] < 0xC0:
            return end - back
    return end


def _incomplete(data: bytes) -> int:
    """Return how many bytes at the end begin a character without ending it."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            return back if back < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) else 0
        if byte < 0x80:
            return 0
    return 0


def walked(frames: Frames, start: Place, streams: frozenset[int]) -> Iterator[tuple[Frame, Place]]:
    """Yield each frame with the place behind it."""
    place = start
    for frame in frames.walk(start):
        place = counted(place, frame, streams)
        yield frame, place
