"""What was asked of the provider, remembered in the session until the browser is back; each is good once."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from django.contrib.sessions.backends.base import SessionBase

KEY = "smart_cron_oidc"
LASTS_SECONDS = 600.0
# Tabs in which somebody began.
MOST = 5


class Purpose(StrEnum):
    """What somebody went there for."""

    LOGIN = "login"
    # Who is logged in shows again who they are.
    FRESH = "fresh"
    # Who is logged in ties that identity to their user.
    LINK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One way there and back. `begun_at` is in seconds since 1970."""

    nonce: str
    verifier: str
    purpose: Purpose
    next: str
    begun_at: float

    @property
    def challenge(self) -> str:
        """Return the PKCE challenge of the verifier (RFC 7636, S256)."""
        digest = hashlib.sha256(self.verifier.encode("ascii")).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def begin(session: SessionBase, purpose: Purpose, next_path: str) -> tuple[str, Asked]:
    """Remember a new one; return its state, by which it is found again, and it."""
    asked = Asked(
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        purpose=purpose,
        next=next_path,
        begun_at=time.time(),
    )
    state = secrets.token_urlsafe(32)
    others = dict(list(_kept(session).items())[-(MOST - 1) :])
    session[KEY] = {**others, state: asdict(asked)}
    return state, asked


def take(session: SessionBase, state: str) -> Asked | None:
    """Return the one of this state, which is then forgotten; None where there is none, or it is too old."""
    every = dict(_kept(session))
    found = every.pop(state, None)
    if found is None:
        return None
    session[KEY] = every
    asked = Asked(**{**found, "purpose": Purpose(found["purpose"])})
    return asked if 0 <= time.time() - asked.begun_at < LASTS_SECONDS else None


def _kept(session: SessionBase) -> dict[str, Any]:
    found = session.get(KEY)
    return found if isinstance(found, dict) else {}
