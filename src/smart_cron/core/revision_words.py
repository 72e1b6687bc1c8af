"""What two saved definitions say, as it may be shown: that secrets differ is told, not what they are."""

from __future__ import annotations

import json
from typing import Any

from smart_cron.core.masking import HIDDEN, masked_environment, masked_webhook
from smart_cron.core.revision import Values

ADDRESSES = ("alert_slack_webhook", "ping_url")


def shown_pair(name: str, old: Values, new: Values) -> tuple[Any, Any]:
    """Return both values of a column as they may be shown; secrets that differ look different."""
    before, after = shown(name, old.get(name)), shown(name, new.get(name))
    if before == after and old.get(name) != new.get(name):
        return before, f"{_text(after)} (another one)"
    return before, after


def shown(name: str, value: Any) -> Any:
    """Return the value of a column as it may be shown."""
    if not value:
        return value
    if name == "environment":
        return _environment(value)
    if name in ADDRESSES:
        return masked_webhook(str(value))
    # Whole, since a part of it may be the secret.
    return HIDDEN if name == "stdin_text" else value


def _environment(value: Any) -> Any:
    try:
        found = json.loads(value)
    except (ValueError, TypeError):
        return HIDDEN
    return masked_environment(found) if isinstance(found, dict) else HIDDEN


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
