"""`/logs`: what Smart Cron wrote down, live; older lines on demand, and a day as a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import urlencode

from smart_cron.faces.web.answers import PLAIN, bad_request, not_found
from smart_cron.faces.web.guard import Route, denied, person_of
from smart_cron.faces.web.limits import user_key
from smart_cron.faces.web.log_html import entries_html
from smart_cron.faces.web.log_tail import (
    FILTERS,
    KINDS,
    LogFilter,
    LogTail,
    days_of,
    filter_from,
    may_see,
    path_of_day,
    today,
)
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.rendering import render
from smart_cron.logs.levels import WEIGHTS
from smart_cron.logs.pages import before, opened

LINES = 300
BLOCK_BYTES = 262_144
_OFFSET = re.compile(r"\d{1,15}", re.ASCII)


def logs(request: HttpRequest) -> HttpResponse:
    """Show the last lines; of today what comes is added by the stream."""
    person, premises = person_of(request), premises_of(request)
    if not may_see(person):
        return denied(request)
    wanted = _wanted(request, {*FILTERS, "day"})
    if wanted is None:
        return bad_request(request)
    now = today(premises, wanted.kind)
    days = days_of(premises.config.log_dir, wanted.kind)
    day = request.GET.get("day") or now
    path = path_of_day(premises, wanted.kind, day)
    if path is None:
        return not_found(request)
    found = before(path, None, wanted.criteria.admit, limit=LINES)
    said = urlencode({"kind": wanted.kind, "level": wanted.level, "text": wanted.text})
    return render(
        request,
        "logs.html",
        wanted=wanted,
        lines=entries_html(found.entries),
        start=found.start,
        at=f"{day}:{found.end}",
        day=day,
        days=days if now in days else [now, *days],
        is_today=day == now,
        kinds=[kind for kind in KINDS if kind == wanted.kind or days_of(premises.config.log_dir, kind)],
        levels=list(WEIGHTS),
        said=said,
    )


def older(request: HttpRequest) -> HttpResponse:
    """Return lines before an offset of a day, for the script; the header says where these begin."""
    found = _asked(request, "before")
    if isinstance(found, HttpResponse):
        return found
    path, wanted, offset = found
    piece = before(path, offset, wanted.criteria.admit, limit=LINES)
    return HttpResponse(entries_html(piece.entries), headers={"X-Start": str(piece.start)})


def newer(request: HttpRequest) -> HttpResponse:
    """Return lines after a mark, for where streams are blocked; the header says where to go on."""
    wanted = _wanted(request, {*FILTERS, "after"})
    if not may_see(person_of(request)):
        return denied(request)
    day, _, offset = request.GET.get("after", "").partition(":")
    if wanted is None or not _OFFSET.fullmatch(offset) or path_of_day(premises_of(request), wanted.kind, day) is None:
        return bad_request(request)
    tail, place, html = LogTail(premises_of(request), wanted), (day, int(offset)), ""
    # As much as comes within 30 seconds, and no more than somebody can read.
    for _ in range(20):
        found = tail.between(*place)
        if found is None:
            break
        place, html = found[:2], html + found[2]
    return HttpResponse(html, headers={"X-Mark": f"{place[0]}:{place[1]}"})


def raw(request: HttpRequest) -> HttpResponseBase:
    """Return a day as a file (SECURITY 23)."""
    found = _asked(request, None)
    if isinstance(found, HttpResponse):
        return found
    path = found[0]
    try:
        file = opened(path)
    except FileNotFoundError:
        return not_found(request)

    def blocks() -> Iterator[bytes]:
        with file:
            while block := file.read(BLOCK_BYTES):
                yield block

    headers = {
        "Content-Disposition": f'attachment; filename="smart-cron-{path.name}"',
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingHttpResponse(blocks(), content_type=PLAIN, headers=headers)


def _wanted(request: HttpRequest, known: set[str]) -> LogFilter | None:
    """Return the filter; None for fields that there are none of, or twice (SECURITY 4, 5). Raise TooManyError.

    Words are looked for through whole files, so that is a search like any other.
    """
    if set(request.GET) - known or any(len(values) > 1 for _, values in request.GET.lists()):
        return None
    wanted = filter_from(request.GET)
    if wanted is not None and wanted.text:
        premises_of(request).limits.require("searches", user_key(person_of(request).id))
    return wanted


def _asked(request: HttpRequest, place: str | None) -> tuple[Path, LogFilter, int] | HttpResponse:
    """Return the file of the day, the filter and the offset, or the answer to a request that is wrong."""
    if not may_see(person_of(request)):
        return denied(request)
    known: set[Any] = {*FILTERS, "day", *([place] if place else [])}
    wanted, offset = _wanted(request, known), request.GET.get(place or "", "0")
    if wanted is None or not _OFFSET.fullmatch(offset):
        return bad_request(request)
    path = path_of_day(premises_of(request), wanted.kind, request.GET.get("day", ""))
    return not_found(request) if path is None else (path, wanted, int(offset))


ROUTES = (
    Route(path="logs", view=logs, name="logs"),
    Route(path="logs/older", view=older, name="logs_older"),
    Route(path="logs/newer", view=newer, name="logs_newer"),
    Route(path="logs/raw", view=raw, name="logs_raw"),
)
