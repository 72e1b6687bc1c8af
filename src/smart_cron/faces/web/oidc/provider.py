"""The provider: where it is asked what, with which keys it signs, and what it gives for a code."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from smart_cron.config.oidc import OidcConfig
from smart_cron.faces.web.oidc.errors import ProviderError
from smart_cron.faces.web.oidc.http import Line, require_safe

# Discovery and keys are believed for so long; a key that is not known is asked for at once, but not again and again.
KEPT_SECONDS, ANEW_SECONDS = 3600.0, 30.0
# Of those who make pages so many may wait for the provider at once: one that hangs must not stop the dashboard.
MOST_WAITING = 2


@dataclass(frozen=True, slots=True)
class _Kept:
    """What it said, and when, by a clock that does not step."""

    said: Mapping[str, Any]
    at: float


class Provider:
    """One provider, asked seldom. Every method raises ProviderError."""

    def __init__(self, config: OidcConfig, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._config, self._clock = config, clock
        self._line = Line(seconds=config.timeout_seconds, ca_file=config.ca_file)
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)
        self._about: _Kept | None = None
        self._keys: _Kept | None = None

    def authorize_url(self, asked: Mapping[str, str]) -> str:
        """Return where a browser is sent to log in."""
        where = require_safe(self._endpoint("authorization_endpoint"))
        return f"{where}{'&' if '?' in where else '?'}{urlencode(asked)}"

    def redeem(self, code: str, *, verifier: str, redirect_uri: str) -> str:
        """Return the ID token that is given for a code."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        where = self._endpoint("token_endpoint")
        with self._in_line():
            found = self._line.post(where, *self._proving(fields))
        token = found.get("id_token")
        if not isinstance(token, str):
            raise ProviderError("the answer of the token endpoint has no ID token")
        return token

    def key(self, key_id: str | None) -> Mapping[str, Any]:
        """Return the key of this id as a JWK; without an id the only one there is."""
        found = self._found_key(key_id, KEPT_SECONDS) or self._found_key(key_id, ANEW_SECONDS)
        if found is None:
            raise ProviderError("the ID token is signed with a key that the provider does not show")
        return found

    def _found_key(self, key_id: str | None, lasts: float) -> Mapping[str, Any] | None:
        if self._keys is None or self._clock() - self._keys.at > lasts:
            where = self._endpoint("jwks_uri")
            with self._in_line():
                self._keys = _Kept(self._line.get(where), self._clock())
        every = self._keys.said.get("keys")
        keys = [key for key in every if isinstance(key, dict)] if isinstance(every, list) else []
        fitting = [key for key in keys if key.get("use", "sig") == "sig" and (not key_id or key.get("kid") == key_id)]
        return fitting[0] if len(fitting) == 1 else None

    def _endpoint(self, name: str) -> str:
        if self._about is None or self._clock() - self._about.at > KEPT_SECONDS:
            with self._in_line():
                about = self._line.get(f"{self._config.issuer.rstrip('/')}/.well-known/openid-configuration")
            if about.get("issuer") != self._config.issuer:
                raise ProviderError(f"it calls itself '{str(about.get('issuer'))[:200]}', not '{self._config.issuer}'")
            self._about = _Kept(about, self._clock())
        found = self._about.said.get(name)
        if not isinstance(found, str):
            raise ProviderError(f"its description has no {name}")
        return require_safe(found)

    def _proving(self, fields: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return fields and headers with which we show who we are, as the provider wants it; a public client cannot."""
        secret = self._config.client_secret.get_secret_value()
        assert self._about is not None
        ways = self._about.said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if not secret:
            return {**fields, "client_id": self._config.client_id}, {}
        if "client_secret_basic" not in ways and "client_secret_post" in ways:
            return {**fields, "client_id": self._config.client_id, "client_secret": secret}, {}
        # RFC 6749, 2.3.1: both are encoded as in a form before they are joined.
        joined = f"{quote(self._config.client_id, safe='')}:{quote(secret, safe='')}".encode()
        return fields, {"Authorization": f"Basic {base64.b64encode(joined).decode()}"}

    @contextmanager
    def _in_line(self) -> Iterator[None]:
        if not self._waiting.acquire(timeout=0.5):
            raise ProviderError("it takes too long to answer others")
        try:
            yield
        finally:
            self._waiting.release()
