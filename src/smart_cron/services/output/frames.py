"""The frames of an output from any place on, in order of reading."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, NamedTuple, Protocol

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

# Of a file: which segment, where in it the next frame begins, and how many bytes of that frame are passed already.
State = tuple[int, int, int]
States = tuple[State, State, State]
_BEGIN: State = (0, 0, 0)


class Place(NamedTuple):
    """A place in an output.

    `stdout` and `stderr` are how many bytes of each lie before it, and stay what they are however the files change;
    `states` (main file, tail of stdout, tail of stderr) are where to go on reading. `line` counts from 1; `open` is the
    stream of a line that has begun, 0 where none has.
    """

    stdout: int = 0
    stderr: int = 0
    line: int = 1
    open: int = 0
    states: States = (_BEGIN, _BEGIN, _BEGIN)

    @property
    def total(self) -> int:
        """Return how many bytes lie before it."""
        return self.stdout + self.stderr


class Frame(NamedTuple):
    """Some bytes of a stream; `gap` bytes before them were not kept. `source` is the file's number among the states."""

    stream: int
    milliseconds: int
    data: bytes
    gap: int
    source: int
    before: States
    after: States

    def states_at(self, passed: int) -> States:
        """Return the states of a place within the frame."""
        if passed == len(self.data):
            return self.after
        number, offset, skip = self.before[self.source]
        inside = (number, offset, skip + passed)
        main, out, err = (inside if index == self.source else state for index, state in enumerate(self.before))
        return main, out, err


class Frames(Protocol):
    """Where frames come from."""

    def walk(self, place: Place) -> Iterator[Frame]:
        """Yield the frames from this place on, as far as there are any now."""

    def is_there(self, place: Place) -> bool:
        """Whether what lies at this place can still be read."""


class CopyFrames:
    """The copy in the row: both streams one after the other, since the order is not known any more."""

    def __init__(self, stdout: str, stderr: str) -> None:
        self._parts = [(STDOUT, stdout.encode("utf-8", "replace")), (STDERR, stderr.encode("utf-8", "replace"))]

    def walk(self, place: Place) -> Iterator[Frame]:
        """Yield the frames from this place on."""
        _, index, skip = place.states[0]
        before = place.states
        for number, (stream, data) in enumerate(self._parts[index:], index + 1):
            after = ((0, number, 0), _BEGIN, _BEGIN)
            if data[skip:]:
                yield Frame(stream, 0, data[skip:], 0, 0, before, after)
            before, skip = after, 0

    def is_there(self, place: Place) -> bool:
        """It always is."""
        del place
        return True


class FileFrames:
    """The files at *path*, which may still grow."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)

    def walk(self, place: Place) -> Iterator[Frame]:
        """Yield the frames from this place on, as far as there are any now."""
        passed = {STDOUT: place.stdout, STDERR: place.stderr}
        with ExitStack() as files:
            # Most outputs have no segments, and asking for them at each frame would cost more than reading it.
            every = [_Source(self.path, number, state, files) for number, state in enumerate(place.states)]
            sources = [source for source in every if source.has_head]
            states = place.states
            while sources:
                source = min(sources, key=_time_of)
                kind, milliseconds, data = source.head
                source.advance()
                main, out, err = (each.state for each in every)
                after = (main, out, err)
                gap, stream = 0, kind
                if kind > MARK:
                    stream, data, offset = kind - MARK, b"", OFFSET.unpack(data)[0]
                    gap = max(0, offset - passed[stream])
                passed[stream] += len(data) + gap
                yield Frame(stream, milliseconds, data, gap, source.number, states, after)
                states = after
                if not source.has_head:
                    sources.remove(source)

    def is_there(self, place: Place) -> bool:
        """Whether the segments of this place were not given up meanwhile."""
        return all(
            not segment or os.path.exists(segment_path(self.path, number, segment))
            for number, (segment, _, _) in enumerate(place.states)
        )


class _Source:
    """The main file (number 0) or the segments of one stream's tail, and the next frame there."""

    def __init__(self, path: str, number: int, state: State, files: ExitStack) -> None:
        self._path, self.number, self._files = path, number, files
        self._segment, self._offset, self._skip = state
        self._file: IO[bytes] | None = None
        self._next: tuple[int, int, bytes] | None = None
        self._length = 0
        self._open()
        self._read()

    @property
    def has_head(self) -> bool:
        return self._next is not None

    @property
    def head(self) -> tuple[int, int, bytes]:
        """Return kind, milliseconds and bytes; those that are passed already are left out."""
        assert self._next is not None
        return self._next

    @property
    def state(self) -> State:
        return self._segment, self._offset, self._skip

    def advance(self) -> None:
        """Pass the frame at the head, and read the next one."""
        self._offset, self._skip = self._offset + FRAME.size + self._length, 0
        self._read()

    def _open(self) -> None:
        if self.number and not self._segment:
            self._segment = _following(self._path, self.number, 0) or 0
            if not self._segment:
                return
        path = segment_path(self._path, self.number, self._segment) if self.number else self._path
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return
        self._file = self._files.enter_context(os.fdopen(fd, "rb"))
        self._file.seek(self._offset)

    def _read(self) -> None:
        self._next = self._frame()
        while self._next is None and self._segment:
            following = _following(self._path, self.number, self._segment)
            if following is None:
                return
            self._segment, self._offset, self._skip, self._file = following, 0, 0, None
            self._open()
            self._next = self._frame()

    def _frame(self) -> tuple[int, int, bytes] | None:
        if self._file is None:
            return None
        head = self._file.read(FRAME.size)
        if len(head) < FRAME.size:
            return None
        kind, self._length, milliseconds = FRAME.unpack(head)
        data = self._file.read(self._length)
        # One that is not whole yet is left for the next time.
        return (kind, milliseconds, data[self._skip :]) if len(data) == self._length else None


def _time_of(source: _Source) -> tuple[int, int]:
    return source.head[1], source.number


def _following(path: str, stream: int, present: int) -> int | None:
    """Return the number of the next segment that is there; the oldest are given up in order."""
    if os.path.exists(segment_path(path, stream, present + 1)):
        return present + 1
    if present and os.path.exists(segment_path(path, stream, present)):
        return None
    prefix = f"{path}.{SEGMENT_LETTERS[stream]}"
    numbers = [int(found[len(prefix) :]) for found in output_files(path) if found.startswith(prefix)]
    return min((number for number in numbers if number > present), default=None)
