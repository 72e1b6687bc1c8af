"""Slack by an incoming webhook. The address is a secret: whoever knows it may post."""

from __future__ import annotations

import json

from smart_cron.core.alert import Severity
from smart_cron.core.message import Message
from smart_cron.services.notify.web_call import WebCaller

TEXT_CHARACTERS = 3000
COLOURS = {
    Severity.CRITICAL: "#b91c1c",
    Severity.ERROR: "#dc2626",
    Severity.WARNING: "#d97706",
    Severity.INFO: "#2563eb",
}


class SlackChannel:
    """Posts to the *target* of a message, or to the address of the settings where a message names none."""

    def __init__(self, caller: WebCaller, *, url: str = "") -> None:
        self._caller, self._url = caller, url

    def send(self, message: Message, *, target: str) -> str:
        """Post and return the status. Raise DeliveryError."""
        body = json.dumps(payload(message)).encode()
        return self._caller.call(target or self._url, body=body, headers={"Content-Type": "application/json"})

    def close(self) -> None:
        """Nothing is held between messages."""


def payload(message: Message) -> dict[str, object]:
    """Return what Slack is told. Its three special characters are escaped, so that no text can call `<!channel>`."""
    text = message.text if len(message.text) <= TEXT_CHARACTERS else message.text[: TEXT_CHARACTERS - 1] + "…"
    # A fence in the text would end ours.
    block = f"```\n{_escaped(text.replace('```', '` ` `'))}\n```"
    attachment = {"color": COLOURS[message.severity], "text": block, "mrkdwn_in": ["text"]}
    return {"text": _escaped(message.subject), "attachments": [attachment]}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
