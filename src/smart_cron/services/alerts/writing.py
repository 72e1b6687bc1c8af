"""Turns letters into messages, at the last moment: a letter that waited names everything that was added to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from smart_cron.core.alert import Alert
from smart_cron.core.delivery import Letter
from smart_cron.core.message import DeliveryError, Message, MessageKind, RunFacts
from smart_cron.core.ports.outbox import OutboxStore

# What a dead-man's switch takes of a run's output.
PING_CHARACTERS = 10_000

Compose = Callable[[MessageKind, Sequence[Alert], RunFacts | None], Message]


class Finder(Protocol):
    """Who knows runs."""

    def facts(self, execution_id: int) -> RunFacts | None: ...

    def last_words(self, execution_id: int, *, limit: int) -> str: ...


class Writer:
    """Writes the message of a letter. *compose* words it."""

    def __init__(self, *, outbox: OutboxStore, finder: Finder, compose: Compose) -> None:
        self._outbox, self._finder, self._compose = outbox, finder, compose

    def message(self, letter: Letter) -> Message | None:
        """Return what a letter says, None where it has nothing to remind of any more.

        Raise DeliveryError where none of its alerts is left.
        """
        alerts = self._outbox.alerts(letter.alert_ids)
        if not alerts:
            raise DeliveryError("nothing is known any more of what it is about.", permanent=True)
        if letter.kind is MessageKind.REMINDER:
            alerts = [alert for alert in alerts if not (alert.resolved or alert.acknowledged)]
            if not alerts:
                return None
        only = alerts[0] if len(alerts) == 1 else None
        facts = self._finder.facts(only.execution_id) if only is not None and only.execution_id is not None else None
        return self._compose(letter.kind, alerts, facts)

    def ping(self, letter: Letter) -> Message:
        """Return the ping of a run's end, with the end of its output. Raise DeliveryError where it cannot be read."""
        facts = _facts(letter.content)
        execution_id = facts.get("execution_id")
        words = self._finder.last_words(execution_id, limit=PING_CHARACTERS) if execution_id else ""
        return Message(
            kind=MessageKind.PING, severity=letter.severity, subject="ping", text=words, html="", facts=facts
        )


def _facts(content: str | None) -> dict[str, Any]:
    """What is not there must not be guessed: without a signal the other side would hear of a failure."""
    try:
        found = json.loads(content or "")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or "signal" not in found:
        raise DeliveryError("what this ping is to say cannot be read.", permanent=True)
    return found
