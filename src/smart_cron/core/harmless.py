"""Text of tasks and strangers, made fit for a message: nothing acts upon a terminal, a mail program or a reader's eye.

Colours and other escape sequences go, since they say nothing in a mail; whatever else cannot be printed is shown as its
escape, so that it is seen: control characters, marks that turn the direction of text round, lone surrogates.
"""

from __future__ import annotations

import re

# CSI, OSC and other strings with their ends, then two-character escapes, then what is left of torn ones.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]{0,4096}(?:\x07|\x1b\\|\x9c)?"
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]?"
)
# Joiners within emoji and scripts: they join, and do no more.
_JOINERS = "\u200c\u200d"
# Logins in addresses, and what is given as a password: `://me:…@`, `token=…`, `"secret": "…"`.
_LOGIN = re.compile(r"(://[^\s:/@]{0,100}:)[^\s/@]{1,500}@")
_GIVEN = re.compile(r"(?i)(password|passwd|token|secret)(=|[\"']\s{0,3}[:=]\s{0,3})(\"[^\"]*\"?|'[^']*'?|[^\s&;,]+)")
# How many characters of the source are looked at for each that may be shown: the rest may be escapes.
_SEARCHED = 8


def one_line(text: object, limit: int) -> str:
    """Return at most *limit* characters on one line, blanks in place of line breaks, an ellipsis for what was cut."""
    source = str(text)
    shown = visible(" ".join(without_escapes(source[: limit * _SEARCHED]).split()))
    cut = len(source) > limit * _SEARCHED
    return shown if len(shown) <= limit and not cut else shown[: limit - 1].rstrip() + "…"


def without_escapes(text: str) -> str:
    """Return the text without the sequences that drive a terminal."""
    return _ESCAPES.sub("", text)


def without_secrets(text: str) -> str:
    """Return the text with logins in addresses, and values after `password=`, `token=` or `secret=`, as `***`.

    What looks otherwise is not found: whoever prints a secret sends it.
    """
    return _GIVEN.sub(r"\1\2***", _LOGIN.sub(r"\1***@", text))


def visible(text: str) -> str:
    """Return the text with each mark that cannot be printed as its escape."""
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() or mark in _JOINERS else _escape(mark) for mark in text)


def last_lines(lines: tuple[str, ...], *, count: int, width: int, room_bytes: int) -> list[str]:
    """Return the last lines that fit, each of at most *width* characters, all of at most *room_bytes* in UTF-8."""
    kept: list[str] = []
    for line in reversed(lines[-count:]):
        shown = _line(line, width)
        room_bytes -= len(shown.encode()) + 1
        if room_bytes < 0:
            break
        kept.append(shown)
    return kept[::-1]


def _line(line: str, width: int) -> str:
    """Return one line of output; what a carriage return wrote over is gone, as on a terminal."""
    source = line[-width * _SEARCHED :] if "\r" in line.rstrip("\r\n") else line[: width * _SEARCHED]
    text = without_escapes(source).rstrip("\r\n").rpartition("\r")[2].expandtabs(4)
    shown = visible(without_secrets(text))
    cut = len(shown) > width or len(line) > len(source) + 1
    return shown[: width - 1] + "…" if cut else shown


def _escape(mark: str) -> str:
    return mark.encode("unicode_escape", "surrogatepass").decode("ascii")
