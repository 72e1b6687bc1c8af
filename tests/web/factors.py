"""Second factors as people have them: an app that shows codes."""

from __future__ import annotations

import base64
import hmac
import re
import struct
import time

from tests.web.visitors import PASSWORD, Visitor

STEP_SECONDS = 30


def totp(secret: str, at: float | None = None) -> str:
    """Return the code of RFC 6238 that an app shows at an instant."""
    step = int(time.time() if at is None else at) // STEP_SECONDS
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), "sha1")
    place = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[place : place + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def set_up(visitor: Visitor, at: float | None = None) -> str:
    """Set up an app for whoever is logged in, and return its secret; the code of this moment is used by it."""
    visitor.get("/account/fresh?next=/account/totp")
    visitor.post("/account/fresh", password=PASSWORD, next="/account/totp")
    page = visitor.get("/account/totp").body.decode()
    found = re.search(r"<code[^>]*>([A-Z2-7]{32})</code>", page)
    assert found, page
    # By the machine's clock the code may be over when it comes: then the next one is tried.
    tries = (visitor.post("/account/totp", code=totp(found[1], at)).status for _ in range(2))
    assert 302 in tries
    return found[1]


def wrong_code(secret: str) -> str:
    """Return a code that is none now."""
    return "000000" if totp(secret) != "000000" else "000001"
