"""The way in where nobody has an account yet: a link that works once, and not for long (SECURITY 6).

Whoever starts the server sees it. Only the SHA-256 of its token is kept, in a file for its owner alone, so that a look
into the state directory is no way in.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from smart_cron.config import Config

VALID_FOR = timedelta(minutes=30)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def offer(config: Config, *, now: float) -> str:
    """Return a new token; one that was offered before is worth nothing from now on. Raise OSError."""
    token = secrets.token_urlsafe(32)
    path = _path(config)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        part.unlink()
    with os.fdopen(os.open(part, _NEW, 0o600), "w", encoding="ascii") as file:
        json.dump({"sha256": _digest(token), "expires_at": now + VALID_FOR.total_seconds()}, file)
    part.replace(path)
    return token


def is_offered(config: Config, token: str, *, now: float) -> bool:
    """Whether this token opens the way."""
    return _fits(_path(config), token, now)


@contextmanager
def taken(config: Config, token: str, *, now: float) -> Iterator[bool]:
    """Take the token, of two who come at once one alone; yield whether it is theirs. It is back where they fail."""
    path = _path(config)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.taken")
    try:
        path.rename(aside)
    except FileNotFoundError:
        yield False
        return
    is_theirs = _fits(aside, token, now)
    try:
        yield is_theirs
    except BaseException:
        aside.rename(path)
        raise
    if is_theirs:
        aside.unlink()
    else:
        aside.rename(path)


def withdraw(config: Config) -> None:
    """Let no link work any more."""
    with suppress(FileNotFoundError):
        _path(config).unlink()


def _fits(path: Path, token: str, now: float) -> bool:
    try:
        with os.fdopen(os.open(path, _OLD), encoding="ascii") as file:
            kept = json.loads(file.read(4096))
        sha256, expires_at = str(kept["sha256"]), float(kept["expires_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    same = hmac.compare_digest(sha256, _digest(token))
    return same and now < expires_at


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _path(config: Config) -> Path:
    return config.state_dir / "setup-link"
