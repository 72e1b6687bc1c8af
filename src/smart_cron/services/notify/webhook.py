"""A message as JSON to a program of yours, signed so that it can tell ours from a stranger's.

Headers: `X-Smart-Cron-Id` is the same for each attempt at one message; `X-Smart-Cron-Timestamp` is seconds since 1970;
`X-Smart-Cron-Signature` is `sha256=` and the HMAC-SHA256, in hexadecimal, of the timestamp, a full stop and the body.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable

from smart_cron.core.message import Message
from smart_cron.services.notify.web_call import WebCaller


class WebhookChannel:
    """Posts the facts of a message to one address; without a secret they are not signed."""

    def __init__(self, caller: WebCaller, *, url: str, secret: str = "", now: Callable[[], float] = time.time) -> None:
        self._caller, self._url, self._secret, self._now = caller, url, secret, now

    def send(self, message: Message, *, target: str) -> str:
        """Post and return the status. Raise DeliveryError."""
        body = document(message)
        return self._caller.call(target or self._url, body=body, headers=self._headers(body))

    def close(self) -> None:
        """Nothing is held between messages."""

    def _headers(self, body: bytes) -> dict[str, str]:
        timestamp = str(int(self._now()))
        headers = {
            "Content-Type": "application/json",
            "X-Smart-Cron-Id": hashlib.sha256(body).hexdigest()[:32],
            "X-Smart-Cron-Timestamp": timestamp,
        }
        if self._secret:
            headers["X-Smart-Cron-Signature"] = "sha256=" + signature(self._secret, timestamp, body)
        return headers


def document(message: Message) -> bytes:
    """Return the message as JSON: its kind, severity, subject and text, and the facts that it is made of."""
    values = {
        "kind": message.kind,
        "severity": message.severity,
        "subject": message.subject,
        "text": message.text,
        **message.facts,
    }
    return json.dumps(values, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the HMAC of `timestamp.body` in hexadecimal."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
