"""A run's output by pieces, found words, and whole as a file: always by the run, never by a path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _

from smart_cron.faces.web.answers import PLAIN, bad_request, not_found
from smart_cron.faces.web.guard import Route, person_of
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.printed_html import mark, piece_html, text_html
from smart_cron.faces.web.rendering import render
from smart_cron.faces.web.run_of import Shown, path_of, run_of, shown_of
from smart_cron.services.output.frames import FileFrames, Frames, Place
from smart_cron.services.output.printed import STREAMS, Mark
from smart_cron.taskrunner.reading import dropped_mark

STREAM_WORDS = (("both", _("Both, as printed")), ("stdout", _("Standard output")), ("stderr", _("Standard error")))
MOST_FOUND, LONGEST_WORDS, SHOWN_CHARACTERS = 200, 200, 300
# Frames may hold a few bytes each: they are sent by so many.
BLOCK_BYTES = 262_144
_PLACES = ("before", "after", "line")


def output(request: HttpRequest, run: str) -> HttpResponse:
    """Return a piece: before or after a mark, around a line, or the end."""
    found = _output_of(request, run, {*_PLACES})
    if isinstance(found, HttpResponse):
        return found
    asked = {name: request.GET[name] for name in _PLACES if name in request.GET}
    if len(asked) > 1:
        return bad_request(request)
    printed = found[1].printed
    line = asked.get("line", "")
    if line:
        if not (line.isdecimal() and len(line) < 16):
            return bad_request(request)
        pieces = [printed.around_line(int(line))]
    elif asked:
        place = Mark.parse(next(iter(asked.values())))
        if place is None:
            return bad_request(request)
        pieces = printed.before(place) if "before" in asked else [printed.after(place)]
    else:
        pieces = printed.last()
    answer = HttpResponse("".join(piece_html(piece) for piece in pieces))
    if pieces:
        answer["X-Start"], answer["X-Mark"] = mark(pieces[0].start), mark(pieces[-1].end)
        answer["X-More"] = str(int(pieces[-1].has_more))
    return answer


def search(request: HttpRequest, run: str) -> HttpResponse:
    """Return the lines that hold some words."""
    found = _output_of(request, run, {"words"})
    if isinstance(found, HttpResponse):
        return found
    words = request.GET.get("words", "")
    if not words or len(words) > LONGEST_WORDS:
        return bad_request(request)
    lines = list(islice(found[1].printed.find(words), MOST_FOUND + 1))
    shown = [(line.number, text_html(_around(bytes(line.data), words))) for line in lines[:MOST_FOUND]]
    return render(request, "runs/_found.html", lines=shown, are_more=len(lines) > MOST_FOUND, words=words)


def raw(request: HttpRequest, run: str) -> HttpResponseBase:
    """Return everything that was printed and kept, byte for byte (SECURITY 23)."""
    found = _output_of(request, run, set())
    if isinstance(found, HttpResponse):
        return found
    row, shown = found
    stream = request.GET.get("stream", "both")
    path = path_of(premises_of(request), row)
    frames: Frames = FileFrames(path) if path is not None else shown.printed.frames
    headers = {
        "Content-Disposition": f'attachment; filename="run-{int(row["id"])}-{stream}.txt"',
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingHttpResponse(_blocks(frames, STREAMS[stream]), content_type=PLAIN, headers=headers)


def _blocks(frames: Frames, streams: frozenset[int]) -> Iterator[bytes]:
    block = bytearray()
    for frame in frames.walk(Place()):
        if frame.stream not in streams:
            continue
        block += (dropped_mark(frame.gap) if frame.gap else b"") + frame.data
        if len(block) >= BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


def _output_of(request: HttpRequest, run: str, known: set[str]) -> tuple[Mapping[str, Any], Shown] | HttpResponse:
    premises = premises_of(request)
    row = run_of(premises, person_of(request), run)
    if row is None:
        return not_found(request)
    stream = request.GET.get("stream", "both")
    is_doubled = any(len(values) > 1 for _, values in request.GET.lists())
    if set(request.GET) - known - {"stream"} or is_doubled or stream not in STREAMS:
        return bad_request(request)
    return row, shown_of(premises, row, stream)


def _around(data: bytes, words: str) -> str:
    """Return the part of a line that has the words."""
    at = max(0, data.lower().find(words.encode().lower()) - SHOWN_CHARACTERS // 2)
    return data[at : at + SHOWN_CHARACTERS].decode("utf-8", "replace").strip("\n\r")


OUTPUT_ROUTES = (
    Route(path="runs/<str:run>/output", view=output, name="run_output"),
    Route(path="runs/<str:run>/search", view=search, name="run_search", limit="searches"),
    Route(path="runs/<str:run>/raw", view=raw, name="run_raw"),
)
