"""What an ID token must be before a word of it is believed (OpenID Connect Core 1.0, 3.1.3.7)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from smart_cron.faces.web.oidc.errors import TokenError

# Of asymmetric kinds alone: with HS256 whoever knows the public key could sign, and `none` is no signature.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
NEEDED = ("iss", "sub", "aud", "exp", "iat")
LEEWAY = timedelta(seconds=60)
LONGEST_TOKEN, LONGEST_SUBJECT = 100_000, 255

Key = Callable[[str | None], Mapping[str, Any]]


def judged(token: str, key: Key, *, issuer: str, client_id: str, nonce: str) -> Mapping[str, Any]:
    """Return the claims of a token that is signed by this issuer, for us, now, and for this login. Raise TokenError.

    *key* returns the issuer's key of an id, and raises ProviderError.
    """
    # Late: half a dozen modules of cryptography that nobody needs who logs in otherwise.
    import jwt

    if len(token) > LONGEST_TOKEN:
        raise TokenError("it is too long")
    try:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise TokenError(f"it is signed by '{str(algorithm)[:20]}'")
        signed_with = jwt.PyJWK.from_dict(dict(key(header.get("kid"))), algorithm=algorithm)
        claims: dict[str, Any] = jwt.decode(
            token,
            signed_with.key,
            algorithms=[algorithm],
            audience=client_id,
            issuer=issuer,
            leeway=LEEWAY,
            options={"require": list(NEEDED)},
        )
    except jwt.PyJWTError as error:
        raise TokenError(f"{type(error).__name__}: {error}") from None
    _require_ours(claims, client_id, nonce)
    return claims


def _require_ours(claims: Mapping[str, Any], client_id: str, nonce: str) -> None:
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise TokenError("its nonce is not that of this login")
    authorised = claims.get("azp", client_id)
    if authorised != client_id or (isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and "azp" not in claims):
        raise TokenError("it was given to another client")
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= LONGEST_SUBJECT:
        raise TokenError("its subject is none")
