"""One output to be read from anywhere: its end, a line, a place; forwards and backwards, and by a word."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock

from smart_cron.services.output.frames import Frame, Frames, Place
from smart_cron.services.output.lines import BOTH, PIECE_BYTES, Line, Piece, counted, piece, walked
from smart_cron.taskrunner.output import STDERR, STDOUT

# How far apart the known places are: what lies between is read to find one.
STRIDE_BYTES = 262_144
MOST_FOUND = 200
STREAMS = {"both": BOTH, "stdout": frozenset({STDOUT}), "stderr": frozenset({STDERR})}


@dataclass(frozen=True, slots=True)
class Mark:
    """How many bytes of each stream somebody has seen; a place as it can be told to others."""

    stdout: int
    stderr: int

    def __str__(self) -> str:
        return f"{self.stdout}-{self.stderr}"

    @staticmethod
    def parse(text: str) -> Mark | None:
        """Return what `str` made, or None."""
        out, dash, err = text.partition("-")
        numbers = [int(part) for part in (out, err) if part.isascii() and part.isdigit() and len(part) < 16]
        return Mark(*numbers) if dash and len(numbers) == 2 else None


class Printed:
    """An output, of one stream or both, with places in it that are found as somebody reads. For any thread."""

    def __init__(self, frames: Frames, streams: frozenset[int] = BOTH, *, is_over: bool = True) -> None:
        self.frames, self.streams, self.is_over = frames, streams, is_over
        self._places, self._end, self._lock = [Place()], Place(), Lock()

    def end(self) -> Place:
        """Return the place behind all that is there now."""
        with self._lock:
            if not self.frames.is_there(self._end) or not all(map(self.frames.is_there, self._places[-1:])):
                self._places, self._end = [Place()], Place()
            for frame, place in walked(self.frames, self._end, self.streams):
                self._end = place
                if place.total - self._places[-1].total >= STRIDE_BYTES:
                    self._places.append(_after_last_line(frame, place))
            return self._end

    def place_of(self, mark: Mark) -> Place:
        """Return the place that this mark names, or the end where there is less."""
        place = self._known(mark)
        for frame in self.frames.walk(place):
            have = place.stdout if frame.stream == STDOUT else place.stderr
            wanted = mark.stdout if frame.stream == STDOUT else mark.stderr
            if frame.gap or have + len(frame.data) <= wanted:
                place = counted(place, frame, self.streams)
                continue
            part = frame._replace(data=frame.data[: wanted - have], after=frame.states_at(wanted - have))
            return counted(place, part, self.streams)
        return place

    def after(self, mark: Mark, *, until: Place | None = None) -> Piece:
        """Return the piece that begins at the mark."""
        return piece(self.frames, self.place_of(mark), streams=self.streams, until=until, is_over=self.is_over)

    def onward(self, place: Place, *, until: Place | None = None) -> Piece:
        """Return the piece that begins at the place, which is of this output."""
        return piece(self.frames, place, streams=self.streams, until=until, is_over=self.is_over)

    def before(self, mark: Mark) -> list[Piece]:
        """Return the pieces that end at the mark: about as much as one shows at once."""
        return self._up_to(self.place_of(mark))

    def last(self) -> list[Piece]:
        """Return the pieces at the end."""
        return self._up_to(self.end())

    def around_line(self, number: int) -> Piece:
        """Return the piece that has this line, some lines before it included."""
        self.end()
        first = max(1, number - 20)
        place = self._places[max(0, bisect_right(self._places, first, key=lambda known: known.line) - 1)]
        # A line may begin in one known place and end behind the next.
        while True:
            found = self.onward(place)
            if found.end.line > first or not found.has_more:
                return self._from_line(found, first)
            place = found.end

    def find(self, words: str) -> Iterator[Line]:
        """Yield lines that hold these words, capital or not, the first ones first."""
        self.end()
        needle = words.encode().lower()
        places = [*self._places, self._end]
        for start, until in pairwise(places):
            if needle in self._raw(start, until).lower():
                yield from self._matching(start, until, needle)

    def _matching(self, start: Place, until: Place, needle: bytes) -> Iterator[Line]:
        while start.total < until.total:
            found = self.onward(start, until=until)
            yield from (line for line in found.lines if needle in line.data.lower())
            if found.end == start:
                return
            start = found.end

    def _raw(self, start: Place, until: Place) -> bytes:
        """Return the bytes between, each stream for itself."""
        parts: dict[int, list[bytes]] = {STDOUT: [], STDERR: []}
        total = start.total
        for frame in self.frames.walk(start):
            if frame.stream in self.streams:
                parts[frame.stream].append(frame.data)
            total += len(frame.data) + frame.gap
            if total >= until.total:
                break
        return b"\n".join(b"".join(of_stream) for of_stream in parts.values())

    def _from_line(self, found: Piece, first: int) -> Piece:
        """Return the piece again from the beginning of this line on, so that the line is not at its very end."""
        place = found.start
        for frame in self.frames.walk(place):
            behind = counted(place, frame, self.streams)
            if behind.line >= first and frame.data and frame.stream in self.streams:
                return self.onward(self._at_line(place, frame, first))
            place = behind
        return found

    def _at_line(self, place: Place, frame: Frame, number: int) -> Place:
        line = place.line + (place.open not in (0, frame.stream))
        passed = 0
        while line < number and (end := frame.data.find(b"\n", passed) + 1):
            line, passed = line + 1, end
        if not passed:
            return place
        return counted(place, frame._replace(data=frame.data[:passed], after=frame.states_at(passed)), self.streams)

    def _up_to(self, until: Place) -> list[Piece]:
        """Return the last pieces before this place, read from a known place that lies far enough before it."""
        wanted = until.total - PIECE_BYTES
        start = self._places[max(0, bisect_right(self._places, wanted, key=lambda known: known.total) - 1)]
        pieces: list[Piece] = []
        while start.total < until.total:
            found = self.onward(start, until=until)
            if found.end == start:
                break
            pieces.append(found)
            start = found.end
        kept = pieces[-1:]
        # The last one may be a line or two.
        if len(pieces) > 1 and kept[0].end.total - kept[0].start.total < PIECE_BYTES // 2:
            kept = pieces[-2:]
        return kept

    def _known(self, mark: Mark) -> Place:
        """Return the last known place that is not behind the mark."""
        self.end()
        index = bisect_right(self._places, mark.stdout + mark.stderr, key=lambda known: known.total) - 1
        while index > 0 and (self._places[index].stdout > mark.stdout or self._places[index].stderr > mark.stderr):
            index -= 1
        return self._places[max(0, index)]


def _after_last_line(frame: Frame, place: Place) -> Place:
    """Return the place behind the frame's last whole line, so that pieces begin with a line where they can."""
    end = frame.data.rfind(b"\n") + 1
    over = len(frame.data) - end
    if not end or not over or place.open != frame.stream:
        return place
    stdout, stderr = (over, 0) if frame.stream == STDOUT else (0, over)
    return Place(place.stdout - stdout, place.stderr - stderr, place.line, 0, frame.states_at(end))
