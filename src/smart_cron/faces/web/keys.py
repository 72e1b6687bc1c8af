"""Secrets that this installation makes for itself: random, in a file for its owner alone, never an example."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from smart_cron.core.errors import ConfigError

SHORTEST_CHARACTERS = 32


def own_key(path: Path) -> str:
    """Return the secret in *path*, made with mode 600 where it is missing. Raise ConfigError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return kept_key(path)
    except OSError as error:
        raise ConfigError([f"the key {path} cannot be made: {error.strerror}"]) from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        key = secrets.token_urlsafe(40)
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key


def kept_key(path: Path) -> str:
    """Return the secret in *path*. Raise ConfigError where it is missing, open to others or too short."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError([f"the key {path} cannot be read: {error.strerror}"]) from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_mode & stat.S_IRWXO:
            raise ConfigError([f"the key {path} is open to others"], remedy=f"Delete it, or: chmod 600 {path}")
        key = file.read(4096).decode("utf-8", "replace").strip()
    if len(key) < SHORTEST_CHARACTERS:
        # Torn by a power cut, or typed by hand: either way nothing to rely on.
        raise ConfigError(
            [f"the key {path} has fewer than {SHORTEST_CHARACTERS} characters"], remedy="Delete it; another is made."
        )
    return key
