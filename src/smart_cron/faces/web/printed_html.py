"""Printed lines as HTML. The only place that makes markup around what a task printed; all of it is escaped here."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from smart_cron.core.ansi import PLAIN, Style, styled
from smart_cron.faces.cli.text import size
from smart_cron.services.output.frames import Place
from smart_cron.services.output.lines import Line, Piece
from smart_cron.taskrunner.output import STDERR


def piece_html(found: Piece) -> SafeString:
    """Return a piece: its lines, and the marks with which a script asks for what comes before and after."""
    start, end = mark(found.start), mark(found.end)
    begin = f'<div class="piece" data-start="{start}" data-end="{end}">'
    return mark_safe(f"{begin}{lines_html(found.lines)}</div>")  # noqa: S308  all of it is escaped below


def mark(place: Place) -> str:
    """Return how a place is told to a script."""
    return f"{place.stdout}-{place.stderr}"


def lines_html(lines: Sequence[Line]) -> SafeString:
    """Return lines, none of which holds a newline."""
    styles: dict[int, Style] = {}
    return mark_safe("".join(_line(line, styles) for line in lines))  # noqa: S308  escaped


def text_html(text: str) -> SafeString:
    """Return text with its colours as spans of classes."""
    return mark_safe(_spans(text, PLAIN)[0])  # noqa: S308  escaped


def _line(line: Line, styles: dict[int, Style]) -> str:
    if line.gap:
        words = escape(_("%(size)s were left out here: more was printed than is kept.") % {"size": size(line.gap)})
        return f'<div class="ol gap" data-stream="{line.stream}">{words}</div>'
    text = bytes(line.data).decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
    html, styles[line.stream] = _spans(text, styles.get(line.stream, PLAIN))
    kind = f"ol{' err' if line.stream == STDERR else ''}{'' if line.begins else ' more'}"
    seconds, number = line.milliseconds / 1000, line.number
    anchor = f' id="L{number}"' if line.begins else ""
    shown = f'<a class="on" href="#L{number}">{number}</a>' if line.begins else '<span class="on"></span>'
    return (
        f'<div class="{kind}" data-stream="{line.stream}"{anchor}>{shown}<span class="ot">{seconds:.3f}</span>'
        f'<code class="ox">{html}</code></div>'
    )


def _spans(text: str, style: Style) -> tuple[str, Style]:
    parts: list[str] = []
    for style, part in styled(text, style):  # noqa: B020,PLR1704  the last one is carried on
        if part:
            names = style.classes
            parts.append(f'<span class="{names}">{escape(part)}</span>' if names else escape(part))
    return "".join(parts), style
