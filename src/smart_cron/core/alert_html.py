"""A message as HTML for mail programs: tables and inline styles, since they know little else; readable on a phone.

Every string is escaped at the one place where it meets HTML. No image, no script, nothing is fetched from anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from smart_cron.core.alert import Severity
from smart_cron.core.message import MessageKind

if TYPE_CHECKING:
    from smart_cron.core.alert_text import Sheet

COLOURS = {
    Severity.CRITICAL: "#b91c1c",
    Severity.ERROR: "#dc2626",
    Severity.WARNING: "#b45309",
    Severity.INFO: "#1d4ed8",
}
GOOD = "#15803d"
FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
MONO = "font-family:ui-monospace,Menlo,Consolas,monospace"
WRAP = "overflow-wrap:anywhere;word-break:break-word"


def html_of(sheet: Sheet) -> str:
    """Return a whole document; every string in the sheet is taken for text."""
    colour = GOOD if sheet.kind is MessageKind.RECOVERY else COLOURS[sheet.severity]
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{_text(sheet.headline)}</title></head>"
        f'<body style="margin:0;padding:0;background:#f3f4f6;color:#111827;{FONT}">'
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="background:#f3f4f6">'
        '<tr><td align="center" style="padding:12px">'
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" '
        f'style="max-width:640px;background:#ffffff;border-top:4px solid {colour};text-align:left">'
        f"{''.join(_blocks(sheet, colour))}"
        "</table></td></tr></table></body></html>\n"
    )


def _blocks(sheet: Sheet, colour: str) -> Iterator[str]:
    title = f"margin:0;font-size:18px;line-height:1.35;color:{colour};{WRAP}"
    yield _block(f'<h1 style="{title}">{_text(sheet.headline)}</h1>')
    if sheet.intro:
        yield _block(_paragraph(sheet.intro))
    if sheet.rows:
        yield _block(_table(sheet.rows))
    if sheet.run_rows:
        yield _block(_heading(sheet.run_title) + _table(sheet.run_rows))
    if sheet.listed:
        yield _block(_listed(sheet))
    if sheet.changes:
        yield _block(_heading("What changed since it last worked") + _items(sheet.changes))
    if sheet.output:
        yield _block(_heading(sheet.output_title) + _output(sheet))
    if sheet.link:
        button = f"display:inline-block;padding:10px 16px;background:{colour};color:#ffffff;text-decoration:none"
        yield _block(f'<a href="{escape(sheet.link)}" style="{button}">Look at it</a>')
    if sheet.commands:
        shown = "<br>".join(f'<code style="{MONO}">{_text(command)}</code>' for command in sheet.commands)
        yield _block(f'<p style="margin:0;font-size:13px;color:#374151">In a terminal:<br>{shown}</p>')
    for command in sheet.quieting:
        shown = f'No more reminders: <code style="{MONO}">{_text(command)}</code>'
        yield _block(f'<p style="margin:0;font-size:13px;color:#374151">{shown}</p>')
    yield _block(f'<p style="margin:0;font-size:12px;color:#6b7280;{WRAP}">{_text(sheet.footer)}</p>')


def _block(inner: str) -> str:
    return f'<tr><td style="padding:12px 16px">{inner}</td></tr>'


def _table(pairs: tuple[tuple[str, str], ...]) -> str:
    head = "padding:3px 12px 3px 0;color:#6b7280;vertical-align:top;white-space:nowrap"
    rows = (
        f'<tr><td style="{head}">{_text(title)}</td>'
        f'<td style="padding:3px 0;vertical-align:top;{WRAP}">{_text(words)}</td></tr>'
        for title, words in pairs
    )
    return f'<table role="presentation" cellpadding="0" cellspacing="0" style="font-size:14px">{"".join(rows)}</table>'


def _listed(sheet: Sheet) -> str:
    rest = _paragraph(f"and {sheet.unlisted} more") if sheet.unlisted else ""
    entries = (
        f'<p style="margin:0 0 8px;font-size:14px;{WRAP}"><strong>{_text(name)}</strong><br>{_text(words)}</p>'
        for name, words in sheet.listed
    )
    return "".join(entries) + rest


def _items(lines: tuple[str, ...]) -> str:
    items = "".join(f'<li style="{WRAP}">{_text(line)}</li>' for line in lines)
    return f'<ul style="margin:0;padding-left:18px;font-size:14px">{items}</ul>'


def _output(sheet: Sheet) -> str:
    style = f"margin:0;padding:8px;background:#f3f4f6;font-size:12px;line-height:1.4;white-space:pre-wrap;{MONO};{WRAP}"
    return f'<pre style="{style}">{_text(chr(10).join(sheet.output))}</pre>'


def _heading(words: str) -> str:
    return f'<h2 style="margin:0 0 6px;font-size:14px;color:#374151">{_text(words)}</h2>'


def _paragraph(words: str) -> str:
    return f'<p style="margin:0;font-size:14px;{WRAP}">{_text(words)}</p>'


def _text(words: str) -> str:
    return escape(words, quote=False)
