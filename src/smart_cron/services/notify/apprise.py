"""Any of apprise's services, in a process of its own that can reach what the guard allows and nothing else.

Its plugins open their own connections, so they cannot be handed an address that was judged. Instead each message is
sent by a child process around which `apprise_wall` stands; it lives for one message and is ended when its time is up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from smart_cron.core.harmless import one_line
from smart_cron.core.message import DeliveryError, Message

TOTAL_SECONDS = 30.0
BODY_CHARACTERS = 10_000
# The child's own alarm rings first; this is for one that does not hear it.
MARGIN_SECONDS = 5.0
# Isolated from the environment and the user's own packages; the folder is where this very package was found.
COMMAND = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from smart_cron.services.notify.apprise_child import main; sys.exit(main())"
)
KEPT_ENVIRONMENT = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "TZ")


class AppriseChannel:
    """Sends to one apprise address, bounded by the same hosts and networks as the guard."""

    def __init__(
        self, url: str, *, hosts: Sequence[str], networks: Sequence[str], total_seconds: float = TOTAL_SECONDS
    ) -> None:
        self._url, self._total_seconds = url, total_seconds
        self._bounds = {"hosts": list(hosts), "networks": list(networks)}

    def send(self, message: Message, *, target: str) -> str:
        """Send and return which service took it. Raise DeliveryError."""
        order = {
            "url": target or self._url,
            "title": message.subject,
            "body": message.text[:BODY_CHARACTERS],
            "severity": str(message.severity),
            "seconds": self._total_seconds,
            **self._bounds,
        }
        answer = self._asked(order)
        words = one_line(answer.get("words", ""), 300)
        if answer.get("ok") is True:
            return words
        remedy = one_line(answer.get("remedy", ""), 300)
        raise DeliveryError(words, permanent=answer.get("permanent") is True, remedy=remedy)

    def close(self) -> None:
        """Nothing is held between messages."""

    def _asked(self, order: Mapping[str, object]) -> Mapping[str, Any]:
        """Return the child's answer. The address is a secret and goes in by its standard input."""
        try:
            child = _started()
        except OSError as error:
            raise DeliveryError(f"no process can be started: {error.strerror}", permanent=False) from None
        with child:
            try:
                out, _ = child.communicate(json.dumps(order).encode(), timeout=self._total_seconds + MARGIN_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()
                out = b""
        return _read(out, self._total_seconds)


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-IBc", COMMAND, str(Path(__file__).parents[3])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=_environment(),
        start_new_session=True,
    )


def _read(out: bytes, seconds: float) -> Mapping[str, Any]:
    with suppress(ValueError):
        answer = json.loads(out)
        if isinstance(answer, dict):
            return answer
    return {"ok": False, "permanent": False, "words": f"the apprise service gave no answer within {seconds:g} s"}


def _environment() -> dict[str, str]:
    """Return an environment without proxies and homes, which could lead round the wall."""
    kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    return {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8", **kept}
