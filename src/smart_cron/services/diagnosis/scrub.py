"""Secrets taken out of a text that leaves this machine: those that we know by their value, others by how they look."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, unquote, urlsplit

HIDDEN: Final = "***"
# Shorter ones stand in half of all words: hiding them would tell them.
SHORTEST: Final = 3
# Shorter ones are words that others contain (`full`, `success`): they are taken out where they stand alone.
INSIDE_WORDS: Final = 8
_WORDS: Final = r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|credentials?|auth|dsn)"
_LOOKS: Final = (
    # The login of a URL.
    (re.compile(r"(://[^/\s:@'\"]*:)[^/\s'\"]+(?=@)"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    # NAME=VALUE, "name": "value", --name VALUE.
    (re.compile(rf"(?i)(\b[\w-]*{_WORDS}\b[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;]+)"), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i)(--?[\w-]*{_WORDS}[\"']?,?\s+)(\"[^\"]*\"|'[^']*'|[^\s,;-][^\s,;]*)"), rf"\1{HIDDEN}"),
)


class Scrubber:
    """Takes out of texts every spelling of these secrets, and whatever looks like one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spelled = {spelling for secret in secrets for spelling in _spellings(secret)}
        # The longest first: one may be a part of another.
        known = sorted((each for each in spelled if len(each) >= SHORTEST), key=lambda each: (-len(each), each))
        self._known = re.compile("|".join(map(_pattern, known))) if known else None

    def clean(self, text: str) -> str:
        """Return the text without secrets."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for look, shown in _LOOKS:
            text = look.sub(shown, text)
        return text


def _pattern(secret: str) -> str:
    shown = re.escape(secret)
    return shown if len(secret) >= INSIDE_WORDS else rf"(?<!\w){shown}(?!\w)"


def _spellings(secret: str) -> Iterator[str]:
    """Yield the secret as URLs, JSON, logs and base64 spell it, and the lines of one that has several."""
    for plain in {secret, unquote(secret)}:
        yield plain
        yield quote(plain, safe="")
        yield quote(plain)
        yield json.dumps(plain)[1:-1]
        yield plain.encode("unicode_escape").decode("ascii")
        yield base64.b64encode(plain.encode("utf-8", "replace")).decode("ascii")
        yield from (line.strip() for line in plain.splitlines() if len(line.strip()) > 2 * SHORTEST)


def secrets_of_url(url: str) -> Iterator[str]:
    """Yield what is secret of a URL that is a password as a whole: all of it, its login, and what follows the host."""
    yield url
    try:
        parts = urlsplit(url)
        yield from filter(None, (parts.password, unquote(parts.password or "")))
    except ValueError:
        return
    yield from filter(None, (parts.query, parts.fragment))
    # A token may be any part of the path; a short word such as `api` is none.
    yield from (part for part in parts.path.split("/") if len(part) >= 8)
