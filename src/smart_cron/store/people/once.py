"""Asked twice, done once: what a client asks for under a key of its own is done the first time only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from smart_cron.core.errors import SmartCronError
from smart_cron.store.people.models import OnceKey

if TYPE_CHECKING:
    from smart_cron.store.session import Session

KEPT = timedelta(days=1)


class KeyReusedError(SmartCronError):
    """The same key came with another question."""


class Once:
    """Remembers for a day what was asked for under a key, and the number that came of it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def do(self, user_id: int, key: str, question: str, act: Callable[[], int]) -> tuple[int, bool]:
        """Return the number that *act* returns, or returned when this user asked under this key; and whether it is new.

        *question* is all that was asked for. Raise KeyReusedError where it was another one the first time.
        """
        wanted = _digest(f"{user_id}\n{key}")
        return self._session.again(lambda: self._do(wanted, _digest(question), act))

    def _do(self, wanted: str, question: str, act: Callable[[], int]) -> tuple[int, bool]:
        now = self._session.now()
        OnceKey.objects.filter(created_at__lt=now - KEPT).delete()
        # Who comes second waits here for the first one's transaction, whatever it comes to.
        made, is_new = OnceKey.objects.select_for_update().get_or_create(
            key_hash=wanted, defaults={"question_hash": question, "created_at": now}
        )
        if not is_new:
            if made.question_hash != question:
                raise KeyReusedError(
                    "this Idempotency-Key came with another request before.", remedy="Send a new key with each request."
                )
            return int(made.number), False
        made.number = act()
        made.save(update_fields=["number"])
        return int(made.number), True


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
