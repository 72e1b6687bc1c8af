"""Lines of the log as HTML; all that stands in them is escaped here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from smart_cron.faces.cli.text import printable
from smart_cron.logs.levels import WEIGHTS

LONGEST = 4000


def entries_html(entries: Iterable[tuple[int, Mapping[str, Any]]]) -> SafeString:
    """Return lines with the offsets at which they stand."""
    return mark_safe("".join(_entry(offset, entry) for offset, entry in entries))  # noqa: S308  all of it is escaped


def _entry(offset: int, entry: Mapping[str, Any]) -> str:
    level = str(entry.get("level", ""))
    kind = f"ll lv-{level.lower()}" if level in WEIGHTS else "ll"
    context = entry.get("context")
    facts = _facts(context) if isinstance(context, Mapping) else ""
    message = _shown(entry.get("message", ""))
    return (
        f'<div class="{kind}" data-at="{offset}">{_time(entry)}<span class="lv">{_shown(level, 8)}</span>'
        f'<span class="lm">{message}{facts}</span></div>'
    )


def _facts(context: Mapping[str, Any]) -> str:
    shown = [f'<span class="lk">{_shown(name, 100)}=</span>{_shown(_short(value))}' for name, value in context.items()]
    return f' <span class="lf">{" ".join(shown)}</span>' if shown else ""


def _shown(text: object, limit: int = LONGEST) -> str:
    return escape(printable(text, limit=limit))


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _time(entry: Mapping[str, Any]) -> str:
    local = escape(printable(str(entry.get("timestamp") or "")[:23]))
    try:
        at = datetime.fromisoformat(str(entry.get("utc", "")))
    except ValueError:
        return f'<span class="lt">{local}</span>'
    iso = at.isoformat().replace("+00:00", "Z")
    return f'<time class="lt" datetime="{iso}" title="{iso}" data-time="seconds">{local}</time>'
