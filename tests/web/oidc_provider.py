"""A small provider of OpenID Connect, in a process of its own: discovery, keys, authorisation code with PKCE, RS256.

It holds a client to the rules: a code is good once, for the client, the address and the verifier that it was made for.
`POST /control` is for tests: who there is, and what is to be wrong with the next token.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

CLIENT, SECRET = "smart-cron", "canary-secret:of/the client"
MINUTE = 60


class Desk(ThreadingHTTPServer):
    """What the provider knows."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives.asymmetric import rsa

        super().__init__(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key_id = "first"
        self.people: dict[str, dict[str, Any]] = {}
        self.twist: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}

    def token(self, asked: Mapping[str, str]) -> str:
        import jwt

        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": asked["sub"],
            "aud": CLIENT,
            "iat": now,
            "exp": now + 5 * MINUTE,
            "auth_time": now,
            "nonce": asked["nonce"],
            **self.people[asked["sub"]],
            **self.twist.get("claims", {}),
        }
        algorithm = self.twist.get("algorithm", "RS256")
        by_us: Any = self.stranger if self.twist.get("stranger") else self.key
        key = by_us if algorithm == "RS256" else None if algorithm == "none" else "x" * 64
        return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": self.key_id})


class Handler(BaseHTTPRequestHandler):
    server: Desk

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        if where.path == "/.well-known/openid-configuration":
            self._say(200, self._about())
        elif where.path == "/keys":
            self._say(200, {"keys": [self._jwk()]})
        elif where.path == "/authorize":
            self._form(where.query)
        else:
            # A browser asks for a picture of its own accord.
            self._say(200 if where.path == "/favicon.ico" else 404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.path == "/token":
            self._token({name: values[0] for name, values in parse_qs(body).items()})
        elif self.path == "/control":
            for name, value in json.loads(body).items():
                setattr(self.server, name, value)
            self._say(200, {})
        elif self.path.startswith("/authorize?"):
            self._back(urlsplit(self.path).query, parse_qs(body)["who"][0])
        else:
            self._say(404, {})

    def _about(self) -> dict[str, Any]:
        issuer = self.server.issuer
        return {
            "issuer": self.server.twist.get("issuer", issuer),
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
        }

    def _jwk(self) -> dict[str, Any]:
        import jwt

        found = jwt.algorithms.RSAAlgorithm.to_jwk(self.server.key.public_key(), as_dict=True)
        return {**found, "kid": self.server.key_id, "use": "sig", "alg": "RS256"}

    def _form(self, query: str) -> None:
        asked = parse_qs(query)
        needed = {"client_id": CLIENT, "response_type": "code", "code_challenge_method": "S256"}
        if any(asked.get(name) != [value] for name, value in needed.items()) or "nonce" not in asked:
            self._say(400, {"error": "invalid_request"})
            return
        buttons = "".join(
            f'<button name="who" value="{html.escape(who)}">{html.escape(who)}</button>' for who in self.server.people
        )
        self._write(200, "text/html", f'<form method="post">{buttons}</form>'.encode())

    def _back(self, query: str, who: str) -> None:
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        code = secrets.token_urlsafe(16)
        self.server.codes[code] = {**asked, "sub": who}
        said = {"code": code, "state": asked["state"], "iss": self.server.issuer, "session_state": "x"}
        self.send_response(302)
        self.send_header("Location", f"{asked['redirect_uri']}?{urlencode(said)}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _token(self, given: Mapping[str, str]) -> None:
        kept = self.server.codes.pop(given.get("code", ""), None)
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if not self._is_client():
            self._say(401, {"error": "invalid_client"})
        elif kept is None or kept["code_challenge"] != challenge or kept["redirect_uri"] != given.get("redirect_uri"):
            self._say(400, {"error": "invalid_grant"})
        else:
            self._say(200, {"access_token": "a", "token_type": "Bearer", "id_token": self.server.token(kept)})

    def _is_client(self) -> bool:
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        if kind != "Basic":
            return False
        name, _, secret = base64.b64decode(given).decode().partition(":")
        return (unquote(name), unquote(secret)) == (CLIENT, SECRET)

    def _say(self, status: int, found: object) -> None:
        self._write(status, "application/json", json.dumps(found).encode())

    def _write(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@dataclass
class Provider:
    """The provider as tests see it."""

    process: subprocess.Popen[bytes]
    issuer: str

    def set(self, **state: object) -> None:
        """Say who there is (`people`, by subject) and what is to be wrong (`twist`)."""
        self._ask("POST", "/control", json.dumps(state))

    def log_in(self, url: str, who: str) -> str:
        """Log in at the address a browser was sent to; return the address that it is sent back to."""
        parts = urlsplit(url)
        status, _ = self._ask("GET", f"{parts.path}?{parts.query}")
        assert status == 200
        status, location = self._ask("POST", f"{parts.path}?{parts.query}", urlencode({"who": who}))
        assert status == 302
        return location

    def _ask(self, method: str, path: str, body: str = "") -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", urlsplit(self.issuer).port, timeout=60)
        try:
            connection.request(method, path, body=body or None)
            response = connection.getresponse()
            response.read()
            return response.status, response.headers.get("Location", "")
        finally:
            connection.close()


@contextmanager
def provider() -> Iterator[Provider]:
    """Start one; it ends with the block."""
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-m", "tests.web.oidc_provider"], cwd=root, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield Provider(process, process.stdout.readline().decode().strip())
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


if __name__ == "__main__":
    desk = Desk()
    sys.stdout.write(f"{desk.issuer}\n")
    sys.stdout.flush()
    desk.serve_forever()
